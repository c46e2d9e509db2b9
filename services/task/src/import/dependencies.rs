//! A batch of dependencies.

use proto::common::ImportResult;
use proto::task::admin::v1 as pb;
use shared::error::Result;

use super::outcome::{Item, results, sound};
use super::queries;
use super::wire::{check_size, read_dependency};
use crate::handlers::Handlers;

impl Handlers {
    /// Stores a batch of dependencies and says what became of each.
    pub(super) async fn import_dependency_batch(
        &self,
        batch: pb::ImportTaskDependenciesRequest,
    ) -> Result<Vec<ImportResult>> {
        check_size("dependencies", batch.dependencies.len())?;
        let read =
            |(place, item): (usize, &pb::ImportedTaskDependency)| (item.line, read_dependency(place, item));
        let items: Vec<Item> = batch.dependencies.iter().enumerate().map(read).collect();

        let tx = self.context.worker.begin_background().await?;
        // A task that a dependency makes blocked was not worked on by that.
        tx.keep_dates()?;
        let outcomes = queries::import_dependencies(&tx, sound(&items)).await?;
        tx.commit().await?;
        self.context.signal.announce();
        results(items, outcomes)
    }
}
