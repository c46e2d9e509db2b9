//! Searches the store for objects of which no row tells.

use chrono::{TimeDelta, Utc};
use futures::StreamExt;
use shared::error::Result;

use super::{Collector, queries};
use crate::uploads::PARTS_FOLDER;

/// Where earlier releases kept files, which are there still.
const ATTACHMENTS_FOLDER: &str = "attachments";
/// A younger object may be one of a replica of an earlier release, which writes its row later.
const MIN_AGE: TimeDelta = TimeDelta::hours(2);
/// Objects looked up at once.
const BATCH: usize = 500;

impl Collector {
    /// Sweeps; whether it came to its end.
    pub(super) async fn swept(&self) -> bool {
        let outcome = self.sweep().await;
        if let Err(error) = &outcome {
            tracing::debug!(%error, "the store could not be searched for what nobody knows; trying again");
        }
        outcome.is_ok()
    }

    async fn sweep(&self) -> Result<()> {
        // By the machine's clock, as the store dates its objects.
        let before = Utc::now() - MIN_AGE;
        for folder in [PARTS_FOLDER, ATTACHMENTS_FOLDER] {
            self.storage.delete_unfinished(folder, before).await?;
            let mut batches = self.storage.older_than(folder, before).chunks(BATCH);
            while let Some(batch) = batches.next().await {
                let paths = batch.into_iter().collect::<Result<Vec<String>>>()?;
                self.delete_unknown(&paths).await?;
            }
        }
        Ok(())
    }

    async fn delete_unknown(&self, paths: &[String]) -> Result<()> {
        let tx = self.context.worker.begin_background().await?;
        let known = queries::known_paths(&tx, paths).await?;
        tx.finish();
        for path in paths.iter().filter(|path| !known.contains(*path)) {
            tracing::info!(path, "removing an object that no row tells of");
            self.storage.delete(path).await?;
        }
        Ok(())
    }
}
