//! Imports a batch of tasks.

use std::collections::HashSet;

use proto::common::ImportResult;
use proto::task::admin::v1 as pb;
use shared::error::Result;
use shared::import::{created, refused, unchanged};
use shared::user_lookup::known_users;
use uuid::Uuid;

use super::decision::{ExistingIds, ImportDecision, Item};
use super::numbers;
use super::queries::{self, StoreOutcome};
use super::wire::check_size;
use crate::handler::TaskHandler;
use crate::tasks::Task;

impl TaskHandler {
    pub(super) async fn import_task_batch(&self, batch: Vec<pb::ImportedTask>) -> Result<Vec<ImportResult>> {
        check_size("tasks", batch.len())?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let items: Vec<Item> = batch.into_iter().map(Item::from).collect();
        let tasks: Vec<&Task> = items.iter().filter_map(|item| item.task.as_deref().ok()).collect();
        let projects =
            self.authorizer.existing_projects(&distinct(tasks.iter().map(|task| task.project_id))).await?;
        let users = self.find_users(&tasks).await?;
        let ids = distinct(tasks.iter().flat_map(|task| [Some(task.id), task.parent_task_id]).flatten());

        let tx = self.context.worker.begin_background().await?;
        let tasks = queries::projects_of(&tx, &ids).await?;
        let mut decisions = ExistingIds { tasks, projects, users }.decide(items);
        numbers::assign_numbers(&tx, decisions.iter_mut().filter_map(ImportDecision::task_mut).collect())
            .await?;
        let to_store: Vec<&Task> = decisions.iter().filter_map(ImportDecision::task).collect();
        let stored = queries::store(&tx, &to_store).await?;
        tx.commit().await?;
        self.context.signal.announce();
        Ok(decisions.into_iter().map(|decision| decision.result(&stored)).collect())
    }

    /// The users whom these tasks name and who exist.
    async fn find_users(&self, tasks: &[&Task]) -> Result<HashSet<Uuid>> {
        let named = tasks.iter().flat_map(|task| [Some(task.creator_id), task.assignee_id]).flatten();
        known_users(&self.context.siblings, &distinct(named), false).await
    }
}

impl ImportDecision {
    fn task(&self) -> Option<&Task> {
        match self {
            Self::Insert(_, task) => Some(task),
            Self::Resolved(_) => None,
        }
    }

    fn task_mut(&mut self) -> Option<&mut Task> {
        match self {
            Self::Insert(_, task) => Some(task),
            Self::Resolved(_) => None,
        }
    }

    fn result(self, stored: &StoreOutcome) -> ImportResult {
        match self {
            Self::Resolved(result) => result,
            Self::Insert(line, task) => match stored.refused.get(&task.id) {
                Some(reason) => refused(line, reason),
                None if stored.new.contains(&task.id) => created(line),
                None => unchanged(line),
            },
        }
    }
}

pub(super) fn distinct(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    ids.collect::<HashSet<_>>().into_iter().collect()
}
