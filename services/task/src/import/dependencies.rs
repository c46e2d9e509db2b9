//! Imports a batch of dependencies.

use proto::common::ImportResult;
use proto::task::admin::v1 as pb;
use shared::error::Result;

use super::outcome::{Item, results, valid_items};
use super::queries;
use super::wire::{check_size, read_dependency};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(super) async fn import_dependency_batch(
        &self,
        batch: pb::ImportTaskDependenciesRequest,
    ) -> Result<Vec<ImportResult>> {
        check_size("dependencies", batch.dependencies.len())?;
        let read =
            |(index, item): (usize, &pb::ImportedTaskDependency)| (item.line, read_dependency(index, item));
        let items: Vec<Item> = batch.dependencies.iter().enumerate().map(read).collect();

        let tx = self.context.worker.begin_background().await?;
        // A task that becomes blocked keeps its `updated_at`.
        tx.keep_dates()?;
        let outcomes = queries::import_dependencies(&tx, valid_items(&items)).await?;
        tx.commit().await?;
        self.context.signal.announce();
        results(items, outcomes)
    }
}
