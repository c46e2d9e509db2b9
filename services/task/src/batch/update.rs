//! Updates many tasks: permission is checked once per project, and one statement makes all changes.

use std::collections::{HashMap, HashSet};

use diesel::result::Error as DieselError;
use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use serde_json::{Map, Value, json};
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::{etag, idempotency};
use uuid::Uuid;

use super::wire::{BatchUpdateTasksInput, new_batch_id};
use super::{at_item, in_request_order, projects_of_items, queries, require_in_all};
use crate::NAME;
use crate::access_target::AccessTarget;
use crate::constraints::CONSTRAINTS;
use crate::graph;
use crate::handler::{CreateClaim, TaskHandler};
use crate::tasks::Task;
use crate::tasks::wire::UpdateTaskInput;

impl TaskHandler {
    pub(super) async fn update_batch(
        &self,
        caller: &Caller,
        request: pb::BatchUpdateTasksRequest,
    ) -> Result<Vec<Task>> {
        let input: BatchUpdateTasksInput = request.try_into()?;
        let targets: Vec<AccessTarget> = input.items.iter().map(|item| AccessTarget::Task(item.id)).collect();
        let attempt = || self.prepare_batch_update(caller, &input).boxed();
        let (tx, access) = match self.retry_with_refreshed_access(&targets, attempt).await? {
            CreateClaim::Replayed(tasks) => return Ok(tasks),
            CreateClaim::New(room) => *room,
        };
        let changes = input.changes()?;
        if !changes.is_empty()
            && let Err(error) = queries::update(&tx, &access, &changes).await
        {
            drop(tx);
            return Err(self.explain_update(caller, &input, &access, error).await);
        }
        let mut found = queries::commit_and_get(tx, &input.ids()).await?;
        self.context.signal.announce();
        in_request_order(&mut found, input.ids().into_iter())
    }

    async fn prepare_batch_update(
        &self,
        caller: &Caller,
        input: &BatchUpdateTasksInput,
    ) -> Result<CreateClaim<Vec<Task>, Vec<ProjectAccess>>> {
        let (user_id, ids) = (caller.user()?.user_id, input.ids());
        let tx = self.context.database.begin(caller).await?;
        let ((), earlier, visible) = try_join!(
            lock_dependency_graph(&tx, input),
            idempotency::claim(&tx, NAME, user_id, "BatchUpdateTasks", input.key.as_ref(), new_batch_id()),
            queries::visible_projects(&tx, &ids),
        )?;
        if earlier.is_some() {
            let mut found = queries::get(&tx, &ids).await?;
            tx.finish();
            return Ok(CreateClaim::Replayed(in_request_order(&mut found, ids.into_iter())?));
        }
        let projects = projects_of_items(&visible, &ids)?;
        let (parents, assigned) = input.references(&projects);
        let (access, locked, parents, members) = try_join!(
            require_in_all(&tx, user_id, &projects, Permission::TaskWrite),
            queries::lock(&tx, &ids),
            queries::visible_projects(&tx, &parents),
            queries::memberships(&tx, &assigned),
        )?;
        for (index, item) in input.items.iter().enumerate() {
            check(item, &locked, &parents, &members).map_err(Error::of_item(index))?;
        }
        Ok(CreateClaim::New(Box::new((tx, access))))
    }

    /// Finds the item that made the statement fail: the changes are repeated one by one in a transaction that is
    /// rolled back.
    async fn explain_update(
        &self,
        caller: &Caller,
        input: &BatchUpdateTasksInput,
        access: &[ProjectAccess],
        error: DieselError,
    ) -> Error {
        let index = self.first_refused(caller, input, access).await.unwrap_or_default();
        at_item(index, self.hide_invisible_tasks(caller, explain(CONSTRAINTS)(error)).await)
    }

    async fn first_refused(
        &self,
        caller: &Caller,
        input: &BatchUpdateTasksInput,
        access: &[ProjectAccess],
    ) -> Result<Option<usize>> {
        let tx: Transaction = self.context.database.begin(caller).await?;
        lock_dependency_graph(&tx, input).await?;
        for (index, item) in input.items.iter().enumerate() {
            if let Some(change) = change_of(item)?
                && queries::update(&tx, access, &[change]).await.is_err()
            {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

impl BatchUpdateTasksInput {
    fn ids(&self) -> Vec<Uuid> {
        self.items.iter().map(|item| item.id).collect()
    }

    fn changes(&self) -> Result<Vec<Map<String, Value>>> {
        self.items.iter().filter_map(|item| change_of(item).transpose()).collect()
    }

    fn touches_graph(&self) -> bool {
        let changes = self.items.iter().filter_map(|item| item.change.as_ref());
        changes.into_iter().any(|change| change.status.is_some() || change.parent_task_id.is_some())
    }

    /// The parents that the items set, and the assignees with their projects.
    fn references(&self, projects: &[Uuid]) -> (Vec<Uuid>, HashSet<(Uuid, Uuid)>) {
        let changes =
            || self.items.iter().zip(projects).filter_map(|(item, p)| Some((item.change.as_ref()?, *p)));
        let parents = changes().filter_map(|(change, _)| change.parent_task_id.flatten());
        let assigned =
            changes().filter_map(|(change, project)| Some((project, change.assignee_id.flatten()?)));
        (parents.collect(), assigned.collect())
    }
}

async fn lock_dependency_graph(tx: &Transaction, input: &BatchUpdateTasksInput) -> Result<()> {
    if input.touches_graph() { graph::lock_exclusive(tx).await } else { Ok(()) }
}

/// A change as column values.
fn change_of(item: &UpdateTaskInput) -> Result<Option<Map<String, Value>>> {
    let Some(change) = &item.change else { return Ok(None) };
    let Value::Object(mut columns) = serde_json::to_value(change).map_err(Error::internal)? else {
        return Ok(None);
    };
    columns.insert("id".to_owned(), json!(item.id));
    Ok(Some(columns))
}

fn check(
    item: &UpdateTaskInput,
    locked: &HashMap<Uuid, Task>,
    parents: &HashMap<Uuid, Uuid>,
    members: &HashSet<(Uuid, Uuid)>,
) -> Result<()> {
    let task = locked.get(&item.id).ok_or_else(|| Error::not_found("task", item.id))?;
    etag::check(&item.etag, task.version)?;
    let Some(change) = &item.change else { return Ok(()) };
    task.check(change)?;
    if let Some(parent) = change.parent_task_id.flatten() {
        let project = parents.get(&parent).ok_or_else(|| Error::not_found("task", parent))?;
        if *project != task.project_id {
            return Err(Error::invalid("task.parent_task_id", "must be a task of the same project"));
        }
    }
    match change.assignee_id.flatten() {
        Some(assignee) if !members.contains(&(task.project_id, assignee)) => {
            Err(Error::not_found("user", assignee))
        }
        _ => Ok(()),
    }
}
