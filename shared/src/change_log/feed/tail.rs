//! The one reader of the end of the log for all watchers of a process.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::super::records::{self, Record, RecordBatch, Scope};
use super::super::{Cursor, head};
use super::Feed;
use crate::error::Result;

/// How long changes gather before they are read together: under load one read for many commits.
const GATHER_DELAY: Duration = Duration::from_millis(10);
/// How often watchers are told how far the log is, if nothing else.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait before watchers are left to themselves after the database did not answer.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// Reads for as long as somebody watches. When the database does not answer, all channels are closed: the watchers
/// then read by themselves, and end with what the database says.
pub(super) async fn run(feed: Feed) {
    let shutdown = feed.0.shutdown.clone();
    feed.0.lag.catch_up();
    tokio::select! {
        () = shutdown.cancelled() => {}
        outcome = follow(&feed) => if let Err(error) = outcome {
            tracing::debug!(schema = feed.0.schema, %error, "the feed's reader failed");
            tokio::time::sleep(RETRY_DELAY).await;
            feed.channels().close();
        }
    }
}

async fn follow(feed: &Feed) -> Result<()> {
    let mut listener = feed.0.signal.listen();
    let mut position = current_head(feed).await?;
    let mut beat = Instant::now();
    loop {
        let watched = feed.channels().watched();
        if watched.is_empty() {
            feed.0.lag.rest();
            return Ok(());
        }
        let is_due = Instant::now() >= beat;
        if is_due {
            beat = Instant::now() + BEAT_INTERVAL;
        }
        let is_partial = read_batch(feed, &mut position, &watched, is_due).await?;
        if !is_partial {
            feed.0.lag.catch_up();
            tokio::time::sleep(GATHER_DELAY).await;
            listener.wait().await;
        }
    }
}

async fn current_head(feed: &Feed) -> Result<Cursor> {
    let tx = feed.0.worker.begin_background().await?;
    let head = head(&tx, feed.0.schema).await?;
    tx.finish();
    Ok(head)
}

/// Reads once and tells; answers whether there may be more.
async fn read_batch(feed: &Feed, position: &mut Cursor, watched: &[Uuid], is_due: bool) -> Result<bool> {
    let tx = feed.0.worker.begin_background().await?;
    let RecordBatch { records, upto, is_partial } =
        records::read_batch(&tx, feed.0.schema, Scope::Projects(watched), *position).await?;
    // After the changes: a change of access that was before one of them is not missed.
    let revisions = feed.access_tables().revisions(&tx, watched).await?;
    tx.finish();
    let after = std::mem::replace(position, upto);
    let mut by_project = group_by_project(records);
    let mut channels = feed.channels();
    for project in watched.iter().collect::<HashSet<_>>() {
        let records = by_project.remove(project).unwrap_or_default();
        let revision = revisions.get(project).copied();
        channels.publish(*project, (after, upto), records, revision, is_due);
    }
    Ok(is_partial)
}

fn group_by_project(records: Vec<Record>) -> HashMap<Uuid, Vec<Record>> {
    let mut by_project: HashMap<Uuid, Vec<Record>> = HashMap::new();
    for record in records {
        if let Some(project) = record.project_id {
            by_project.entry(project).or_default().push(record);
        }
    }
    by_project
}
