//! Imports a batch of task counters.

use proto::common::ImportResult;
use proto::task::admin::v1 as pb;
use shared::error::Result;

use super::outcome::{Item, results, valid_items};
use super::queries;
use super::tasks::distinct;
use super::wire::{check_size, read_counter};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(super) async fn import_counter_batch(
        &self,
        counters: Vec<pb::ImportedTaskCounter>,
    ) -> Result<Vec<ImportResult>> {
        check_size("task_counters", counters.len())?;
        if counters.is_empty() {
            return Ok(Vec::new());
        }
        let projects = counters.iter().filter_map(|counter| counter.project_id.parse().ok());
        self.authorizer.existing_projects(&distinct(projects)).await?;
        let read = |(index, item): (usize, &pb::ImportedTaskCounter)| (item.line, read_counter(index, item));
        let items: Vec<Item> = counters.iter().enumerate().map(read).collect();

        let tx = self.context.worker.begin_background().await?;
        let outcomes = queries::import_counters(&tx, valid_items(&items)).await?;
        tx.commit().await?;
        results(items, outcomes)
    }
}
