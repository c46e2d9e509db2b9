//! The garbage collector: deletes the bytes of deleted attachments after a grace period, and those of uploads that were
//! cancelled, expired or interrupted by a crash.
//!
//! Each step is one transaction, or deletes objects that are marked as garbage. So after a crash between two steps the
//! next round continues, and several replicas may run at the same time. The row of an object exists before it is written
//! and until it is deleted, so the table lists all objects; only a write that timed out may leave an object without a
//! row, which [`orphans`] deletes.

mod orphans;
pub(crate) mod queries;
mod released_blobs;

use std::time::Duration;

use crate::storage::FileLimits;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use futures::stream;
use shared::change_log::Lag;
use shared::error::Result;
use shared::housekeeping;
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::schema::NAME;
use crate::storage::Storage;

/// Name of the position in `feed_positions`.
const FEED: &str = "deleted_files";
/// How long GetUpload returns closed uploads.
const CLOSED_UPLOAD_RETENTION: TimeDelta = TimeDelta::days(7);
/// How long the write of a registered part may take.
const PENDING_PART_TIMEOUT: TimeDelta = TimeDelta::minutes(10);
const ORPHAN_SCAN_INTERVAL: TimeDelta = TimeDelta::hours(24);
/// Shortest time between two rounds that changes start.
const MIN_ROUND_INTERVAL: Duration = Duration::from_millis(250);
const MAX_CONCURRENT_DELETIONS: usize = 8;

struct Collector {
    context: ServiceContext,
    storage: Storage,
    limits: FileLimits,
    lag: Lag,
}

/// Runs until shutdown.
pub(crate) async fn run(context: ServiceContext, storage: Storage, limits: FileLimits) {
    let lag = Lag::measured(NAME, FEED);
    let collector = Collector { context: context.clone(), storage, limits, lag };
    let mut changes = context.signal.listen(MIN_ROUND_INTERVAL);
    let mut next_scan = DateTime::<Utc>::MIN_UTC;
    while !context.shutdown.is_cancelled() {
        if next_scan <= context.clock.now() && collector.delete_orphans().await {
            next_scan = context.clock.now() + ORPHAN_SCAN_INTERVAL;
        }
        let round = collector.collect().await;
        if matches!(round, Ok(true)) {
            continue;
        }
        housekeeping::record_run("files", &round);
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = changes.wait() => {}
        }
    }
}

impl Collector {
    /// Runs one round; `true` if there may be more to do.
    async fn collect(&self) -> Result<bool> {
        let has_recorded = self.record_released_blobs().await?;
        let has_collected = self.collect_rows().await?;
        let has_deleted = self.delete_garbage().await?;
        Ok(has_recorded || has_collected || has_deleted)
    }

    /// Expires uploads, and marks parts that nothing refers to as garbage.
    async fn collect_rows(&self) -> Result<bool> {
        let now = self.context.clock.now();
        let tx = self.context.worker.begin_background().await?;
        let released_before = now - self.limits.deleted_file_grace();
        let count =
            queries::collect_garbage(&tx, now, released_before, now - CLOSED_UPLOAD_RETENTION).await?;
        tx.commit().await?;
        Ok(count > 0)
    }

    /// Deletes the objects of garbage, then their rows.
    async fn delete_garbage(&self) -> Result<bool> {
        let tx = self.context.worker.begin_background().await?;
        let garbage = queries::garbage(&tx, self.context.clock.now() - PENDING_PART_TIMEOUT).await?;
        tx.finish();
        if garbage.is_empty() {
            return Ok(false);
        }
        let deletions = garbage.into_iter().map(|part| self.delete(part));
        let outcomes: Vec<_> =
            stream::iter(deletions).buffer_unordered(MAX_CONCURRENT_DELETIONS).collect().await;
        let deleted: Vec<Uuid> = outcomes.into_iter().flatten().collect();
        let tx = self.context.worker.begin_background().await?;
        queries::delete_parts(&tx, &deleted).await?;
        tx.commit().await?;
        Ok(!deleted.is_empty())
    }

    async fn delete(&self, part: queries::Garbage) -> Option<Uuid> {
        match self.storage.delete(&part.path).await {
            Ok(()) => Some(part.id),
            Err(error) => {
                tracing::warn!(path = part.path, %error, "an object could not be deleted; it will be tried again");
                None
            }
        }
    }
}
