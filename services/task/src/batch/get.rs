//! Reads many tasks in one round trip.

use std::collections::HashSet;

use futures::try_join;
use shared::caller::Caller;
use shared::error::Result;
use uuid::Uuid;

use super::queries;
use crate::handler::TaskHandler;
use crate::tasks::Task;
use crate::tasks::queries::{fitting, readable};

/// The tasks that were requested, all in the order of the request.
pub(super) struct FoundTasks {
    pub(super) tasks: Vec<Task>,
    /// Those that do not exist or that the caller may not read.
    pub(super) missing: Vec<Uuid>,
    /// Those that do not fit into the response.
    pub(super) remaining: Vec<Uuid>,
}

impl TaskHandler {
    /// The access to the projects of missing tasks is refreshed once.
    pub(super) async fn get_batch(&self, caller: &Caller, ids: &[Uuid]) -> Result<FoundTasks> {
        if !self.authorizer.is_trusted() {
            self.refresh_projects_of(ids).await?;
            return self.read_batch(caller, ids).await;
        }
        let found = self.read_batch(caller, ids).await?;
        if found.missing.is_empty() || !self.refresh_projects_of(&found.missing).await? {
            return Ok(found);
        }
        self.read_batch(caller, ids).await
    }

    async fn read_batch(&self, caller: &Caller, ids: &[Uuid]) -> Result<FoundTasks> {
        let tx = self.context.database.begin(caller).await?;
        let (readable, mut rows) = try_join!(readable(&tx, ids), queries::readable_tasks(&tx, ids))?;
        tx.finish();
        rows.truncate(usize::try_from(fitting(&rows, |row| row.bytes)).unwrap_or_default());
        let readable: HashSet<Uuid> = readable.into_iter().collect();
        let (found, missing): (Vec<Uuid>, Vec<Uuid>) = ids.iter().partition(|id| readable.contains(id));
        let tasks: Vec<Task> = rows.into_iter().map(|row| row.task).collect();
        let read: HashSet<Uuid> = tasks.iter().map(|task| task.id).collect();
        let remaining = found.into_iter().filter(|id| !read.contains(id)).collect();
        Ok(FoundTasks { tasks, missing, remaining })
    }

    /// Returns whether any of the tasks exists.
    async fn refresh_projects_of(&self, ids: &[Uuid]) -> Result<bool> {
        let tx = self.context.worker.begin_background().await?;
        let projects = queries::visible_projects(&tx, ids).await?;
        tx.finish();
        let projects: HashSet<Uuid> = projects.into_values().collect();
        let is_any = !projects.is_empty();
        self.authorizer.refresh(projects).await?;
        Ok(is_any)
    }
}
