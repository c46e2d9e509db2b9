//! Imports a batch of milestones.

use proto::common::ImportResult;
use proto::task::admin::v1 as pb;
use shared::error::Result;

use super::outcome::{Item, results, valid_items};
use super::queries;
use super::tasks::distinct;
use super::wire::{check_size, read_milestone};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(super) async fn import_milestone_batch(
        &self,
        milestones: Vec<pb::ImportedMilestone>,
    ) -> Result<Vec<ImportResult>> {
        check_size("milestones", milestones.len())?;
        if milestones.is_empty() {
            return Ok(Vec::new());
        }
        let named = milestones.iter().filter_map(|item| item.project_id.parse().ok());
        let projects = self.authorizer.existing_projects(&distinct(named)).await?;
        let read = |(index, item): (usize, &pb::ImportedMilestone)| {
            (item.line, read_milestone(index, item, &projects))
        };
        let items: Vec<Item> = milestones.iter().enumerate().map(read).collect();

        let tx = self.context.worker.begin_background().await?;
        let outcomes = queries::import_milestones(&tx, valid_items(&items)).await?;
        tx.commit().await?;
        self.context.signal.announce();
        results(items, outcomes)
    }
}
