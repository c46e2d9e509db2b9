//! Imports a batch of project keys.

use proto::common::ImportResult;
use proto::task::admin::v1 as pb;
use shared::error::Result;

use super::outcome::{Item, results, valid_items};
use super::queries;
use super::wire::{check_size, read_project_key};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(super) async fn import_project_key_batch(
        &self,
        keys: Vec<pb::ImportedProjectKey>,
    ) -> Result<Vec<ImportResult>> {
        check_size("project_keys", keys.len())?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let projects = keys.iter().filter_map(|key| key.project_id.parse().ok());
        self.find_projects(projects).await?;
        let read =
            |(index, item): (usize, &pb::ImportedProjectKey)| (item.line, read_project_key(index, item));
        let items: Vec<Item> = keys.iter().enumerate().map(read).collect();

        let tx = self.context.worker.begin_background().await?;
        let outcomes = queries::import_project_keys(&tx, valid_items(&items)).await?;
        tx.commit().await?;
        results(items, outcomes)
    }
}
