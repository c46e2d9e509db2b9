//! Deletes objects without a row.

use chrono::{TimeDelta, Utc};
use futures::StreamExt;
use shared::error::Result;

use super::{Collector, queries};
use crate::uploads::PARTS_PREFIX;

/// Younger objects are left alone.
const MIN_AGE: TimeDelta = TimeDelta::hours(2);
/// Objects in one lookup.
const BATCH_SIZE: usize = 500;

impl Collector {
    /// Scans the store; `false` if it could not be scanned completely.
    pub(super) async fn delete_orphans(&self) -> bool {
        let result = self.scan().await;
        if let Err(error) = &result {
            tracing::debug!(%error, "the store could not be scanned for orphans; it will be tried again");
        }
        result.is_ok()
    }

    async fn scan(&self) -> Result<()> {
        // By the clock of the machine, which dates objects.
        let before = Utc::now() - MIN_AGE;
        self.storage.delete_old_incomplete(PARTS_PREFIX, before).await?;
        let mut batches = self.storage.older_than(PARTS_PREFIX, before).chunks(BATCH_SIZE);
        while let Some(batch) = batches.next().await {
            let paths = batch.into_iter().collect::<Result<Vec<String>>>()?;
            self.delete_unknown(&paths).await?;
        }
        Ok(())
    }

    async fn delete_unknown(&self, paths: &[String]) -> Result<()> {
        let tx = self.context.worker.begin_background().await?;
        let known = queries::known_paths(&tx, paths).await?;
        tx.finish();
        for path in paths.iter().filter(|path| !known.contains(*path)) {
            tracing::info!(path, "deleting an object without a row");
            self.storage.delete(path).await?;
        }
        Ok(())
    }
}
