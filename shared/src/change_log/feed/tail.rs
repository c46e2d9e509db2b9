//! The one reader of the end of the log for all watchers of a process.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;
use uuid::Uuid;

use super::super::records::{self, Record, RecordBatch, Scope};
use super::super::{Cursor, head};
use super::channels::EventBatch;
use super::state::FeedState;
use super::subject::Subject;
use crate::access::AccessTables;
use crate::error::Result;

/// Shortest time between two reads.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(10);
/// How often watchers learn how far the log has been read, if nothing changes.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait before watchers are left to themselves after the database did not answer.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// The next batches of a project's changes. Starts the tail if it does not run.
pub(super) fn subscribe<S: Subject>(
    feed: &Arc<FeedState>,
    project_id: Uuid,
) -> broadcast::Receiver<Arc<EventBatch>> {
    let mut channels = feed.channels();
    if channels.needs_tail() {
        tokio::spawn(run(feed.clone(), S::ACCESS_TABLES));
    }
    channels.subscribe(project_id)
}

/// Reads for as long as somebody watches. When the database does not answer, all channels are closed: the watchers
/// then read by themselves, and end with the error of the database.
async fn run(feed: Arc<FeedState>, access: AccessTables) {
    let shutdown = feed.shutdown.clone();
    feed.lag.mark_caught_up();
    tokio::select! {
        () = shutdown.cancelled() => {}
        outcome = follow(&feed, access) => if let Err(error) = outcome {
            tracing::debug!(schema = feed.schema, %error, "the feed's reader failed");
            tokio::time::sleep(RETRY_DELAY).await;
            feed.channels().close();
        }
    }
}

async fn follow(feed: &FeedState, access: AccessTables) -> Result<()> {
    let mut listener = feed.signal.listen(MIN_READ_INTERVAL);
    let mut position = current_head(feed).await?;
    let mut beat = Instant::now();
    loop {
        let watched = feed.channels().watched();
        if watched.is_empty() {
            feed.lag.mark_idle();
            return Ok(());
        }
        let is_due = Instant::now() >= beat;
        if is_due {
            beat = Instant::now() + BEAT_INTERVAL;
        }
        let is_partial = read_batch(feed, access, &mut position, &watched, is_due).await?;
        if !is_partial {
            feed.lag.mark_caught_up();
            listener.wait().await;
        }
    }
}

async fn current_head(feed: &FeedState) -> Result<Cursor> {
    let tx = feed.worker.begin_background().await?;
    let head = head(&tx, feed.schema).await?;
    tx.finish();
    Ok(head)
}

/// Reads a batch and publishes it; returns whether there may be more.
async fn read_batch(
    feed: &FeedState,
    access: AccessTables,
    position: &mut Cursor,
    watched: &[Uuid],
    is_due: bool,
) -> Result<bool> {
    let tx = feed.worker.begin_background().await?;
    let RecordBatch { records, upto, is_partial } =
        records::read_batch(&tx, feed.schema, Scope::Projects(watched), *position).await?;
    // After the changes: a change of access that was before one of them is not missed.
    let revisions = access.revisions(&tx, watched).await?;
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
