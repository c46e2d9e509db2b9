//! Takes away what nobody needs any more: the bytes of deleted attachments, after a grace period, and what uploads leave
//! that were given up, expired or cut off by a crash.
//!
//! Each step is a transaction, or deletes objects that no row but their own names; so a crash between any two leaves
//! what the next round goes on with, and several replicas may do it at once. An object has its row before it is written
//! and until it is deleted, so the table tells of everything; [`sweep`] looks for what it does not tell of, which only
//! older releases and time-outs leave.

pub(crate) mod queries;
mod released;
mod sweep;

use crate::storage::FileLimits;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use futures::stream;
use shared::change_log::Lag;
use shared::error::Result;
use shared::housekeeping;
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::NAME;
use crate::storage::Storage;

/// How long closed uploads are remembered, for those who ask what became of them.
const REMEMBERED: TimeDelta = TimeDelta::days(7);
/// An object that was announced and is not known to be written may be on its way for this long.
const SETTLES: TimeDelta = TimeDelta::minutes(10);
/// How often the store is searched for what the table does not tell of.
const SWEEP_INTERVAL: TimeDelta = TimeDelta::hours(24);
/// Objects that are deleted at the same time.
const DELETIONS_AT_ONCE: usize = 8;

/// The collector of one replica.
pub(crate) struct Collector {
    context: ServiceContext,
    storage: Storage,
    limits: FileLimits,
    lag: Lag,
}

/// Collects until the service stops.
pub(crate) async fn follow(context: ServiceContext, storage: Storage, limits: FileLimits) {
    let lag = Lag::measured(NAME, released::FEED);
    let collector = Collector { context: context.clone(), storage, limits, lag };
    let mut ear = context.signal.listen();
    let mut next_sweep = DateTime::<Utc>::MIN_UTC;
    while !context.shutdown.is_cancelled() {
        if next_sweep <= context.clock.now() && collector.swept().await {
            next_sweep = context.clock.now() + SWEEP_INTERVAL;
        }
        let round = collector.collect().await;
        if matches!(round, Ok(true)) {
            continue;
        }
        housekeeping::note("files", &round);
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = ear.wait() => {}
        }
    }
}

impl Collector {
    /// One round; whether there is more to do.
    async fn collect(&self) -> Result<bool> {
        let has_read = self.note_released().await?;
        let has_collected = self.collect_rows().await?;
        let has_deleted = self.delete_garbage().await?;
        Ok(has_read || has_collected || has_deleted)
    }

    /// Ends uploads whose time is over, and makes garbage of the parts that nothing refers to.
    async fn collect_rows(&self) -> Result<bool> {
        let now = self.context.clock.now();
        let tx = self.context.worker.begin_background().await?;
        let released_before = now - self.limits.deleted_file_grace();
        let count = queries::collect_garbage(&tx, now, released_before, now - REMEMBERED).await?;
        tx.commit().await?;
        Ok(count > 0)
    }

    /// Deletes the objects of garbage, and then their rows.
    async fn delete_garbage(&self) -> Result<bool> {
        let tx = self.context.worker.begin_background().await?;
        let garbage = queries::garbage(&tx, self.context.clock.now() - SETTLES).await?;
        tx.finish();
        if garbage.is_empty() {
            return Ok(false);
        }
        let deletions = garbage.into_iter().map(|part| self.delete(part));
        let outcomes: Vec<_> = stream::iter(deletions).buffer_unordered(DELETIONS_AT_ONCE).collect().await;
        let deleted: Vec<Uuid> = outcomes.into_iter().flatten().collect();
        let tx = self.context.worker.begin_background().await?;
        queries::forget_parts(&tx, &deleted).await?;
        tx.commit().await?;
        Ok(!deleted.is_empty())
    }

    async fn delete(&self, part: queries::Garbage) -> Option<Uuid> {
        match self.storage.delete(&part.path).await {
            Ok(()) => Some(part.id),
            Err(error) => {
                tracing::warn!(path = part.path, %error, "an object could not be deleted; trying again");
                None
            }
        }
    }
}
