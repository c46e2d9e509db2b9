//! Updates many tasks: permission is checked once per project, and one statement makes all changes.

use std::collections::{HashMap, HashSet};

use diesel::result::Error as DieselError;
use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use serde_json::{Map, Value, json};
use shared::access::{AccessTarget, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::{etag, idempotency};
use uuid::Uuid;

use super::wire::{BatchUpdateTasksInput, new_batch_id};
use super::{BatchClaim, at_item, in_request_order, projects_of_items, queries, require_fitting};
use crate::NAME;
use crate::access_target;
use crate::constraints::CONSTRAINTS;
use crate::graph;
use crate::handler::TaskHandler;
use crate::schema::TaskStatus;
use crate::tasks::wire::UpdateTaskInput;
use crate::tasks::{Task, message_bytes};

/// A change as column values.
type Columns = Map<String, Value>;

/// The proof of permission, and for each item its change, if it has one.
type PreparedUpdates = (Vec<ProjectAccess>, Vec<Option<Columns>>);

impl TaskHandler {
    pub(super) async fn update_batch(
        &self,
        caller: &Caller,
        request: pb::BatchUpdateTasksRequest,
    ) -> Result<Vec<Task>> {
        let input: BatchUpdateTasksInput = request.try_into()?;
        let targets: Vec<AccessTarget> =
            input.items.iter().map(|item| access_target::task(item.id)).collect();
        let attempt = || self.prepare_batch_update(caller, &input).boxed();
        let claim = self.authorizer.retry_with_refreshed_access(&targets, attempt).await?;
        let (tx, (access, changes)) = match claim {
            BatchClaim::Replayed(tasks) => return Ok(tasks),
            BatchClaim::New(prepared) => *prepared,
        };
        let columns: Vec<Columns> = changes.iter().flatten().cloned().collect();
        if !columns.is_empty()
            && let Err(error) = queries::update(&tx, &access, &columns).await
        {
            drop(tx);
            return Err(self.explain_update(caller, &input, &access, &changes, error).await);
        }
        let mut found = queries::commit_and_get(tx, &input.ids()).await?;
        self.context.signal.announce();
        in_request_order(&mut found, input.ids().into_iter())
    }

    async fn prepare_batch_update(
        &self,
        caller: &Caller,
        input: &BatchUpdateTasksInput,
    ) -> Result<BatchClaim<Vec<Task>, PreparedUpdates>> {
        let (user_id, ids) = (caller.user()?.user_id, input.ids());
        let tx = self.context.database.begin(caller).await?;
        let (earlier, visible) = try_join!(
            idempotency::claim(&tx, NAME, user_id, "BatchUpdateTasks", input.key.as_ref(), new_batch_id()),
            queries::visible_projects(&tx, &ids),
        )?;
        let projects = projects_of_items(&visible, &ids)?;
        let (parents, assigned) = input.references(&projects);
        let permissions = [Permission::TaskWrite, Permission::TaskRead];
        let (access, parents, members) = try_join!(
            self.require_in_all(&tx, caller, &projects, &permissions),
            queries::visible_projects(&tx, &parents),
            queries::memberships(&tx, &assigned),
        )?;
        if earlier.is_some() {
            let mut found = queries::get(&tx, &ids).await?;
            tx.finish();
            return Ok(BatchClaim::Replayed(in_request_order(&mut found, ids.into_iter())?));
        }
        let ((), locked) = try_join!(input.lock_graph(&tx), queries::lock(&tx, &ids))?;
        let mut changes = Vec::with_capacity(ids.len());
        let mut bytes = 0;
        for (index, item) in input.items.iter().enumerate() {
            let change = check(item, &locked, &parents, &members).map_err(Error::of_item(index))?;
            bytes += change.bytes;
            changes.push(change.columns);
        }
        require_fitting(bytes, "updates")?;
        input.announce_status_changes(&tx).await?;
        Ok(BatchClaim::New(Box::new((tx, (access, changes)))))
    }

    /// Finds the item that made the statement fail: the changes are repeated one by one in a transaction that is
    /// rolled back.
    async fn explain_update(
        &self,
        caller: &Caller,
        input: &BatchUpdateTasksInput,
        access: &[ProjectAccess],
        changes: &[Option<Columns>],
        error: DieselError,
    ) -> Error {
        let index = self.first_refused(caller, input, access, changes).await.unwrap_or_default();
        at_item(index, self.hide_invisible_tasks(caller, explain(CONSTRAINTS)(error)).await)
    }

    async fn first_refused(
        &self,
        caller: &Caller,
        input: &BatchUpdateTasksInput,
        access: &[ProjectAccess],
        changes: &[Option<Columns>],
    ) -> Result<Option<usize>> {
        let tx = self.context.database.begin(caller).await?;
        input.lock_graph(&tx).await?;
        input.announce_status_changes(&tx).await?;
        for (index, change) in changes.iter().enumerate() {
            if let Some(change) = change
                && queries::update(&tx, access, std::slice::from_ref(change)).await.is_err()
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

    async fn lock_graph(&self, tx: &Transaction) -> Result<()> {
        let mut changes = self.items.iter().filter_map(|item| item.change.as_ref());
        if changes.any(|change| change.graph_lock().is_some()) {
            graph::lock_exclusive(tx).await
        } else {
            Ok(())
        }
    }

    async fn announce_status_changes(&self, tx: &Transaction) -> Result<()> {
        let changes = self.items.iter().filter_map(|item| Some((item.id, item.change.as_ref()?.status?)));
        let is_closed =
            |(_, status): &(Uuid, TaskStatus)| matches!(status, TaskStatus::Done | TaskStatus::Cancelled);
        let (closed, opened): (Vec<_>, Vec<_>) = changes.partition(is_closed);
        let ids =
            |changes: Vec<(Uuid, TaskStatus)>| changes.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        queries::announce_status_changes(tx, &ids(closed), &ids(opened)).await
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

/// A change of one item, and the size of the task after it.
struct CheckedChange {
    columns: Option<Columns>,
    bytes: usize,
}

fn check(
    item: &UpdateTaskInput,
    locked: &HashMap<Uuid, Task>,
    parents: &HashMap<Uuid, Uuid>,
    members: &HashSet<(Uuid, Uuid)>,
) -> Result<CheckedChange> {
    let task = locked.get(&item.id).ok_or_else(|| Error::not_found("task", item.id))?;
    etag::check(&item.etag, task.version)?;
    let bytes = message_bytes(&task.title, task.description.as_deref(), &task.tags, &task.metadata);
    let Some(change) = item.change_of(task)? else { return Ok(CheckedChange { columns: None, bytes }) };
    task.check(&change)?;
    if let Some(parent) = change.parent_task_id.flatten() {
        let project = parents.get(&parent).ok_or_else(|| Error::not_found("task", parent))?;
        if *project != task.project_id {
            return Err(Error::invalid("task.parent_task_id", "must be a task of the same project"));
        }
    }
    match change.assignee_id.flatten() {
        Some(assignee) if !members.contains(&(task.project_id, assignee)) => {
            return Err(Error::not_found("user", assignee));
        }
        _ => {}
    }
    let bytes = message_bytes(
        change.title.as_ref().unwrap_or(&task.title),
        change.description.as_ref().unwrap_or(&task.description).as_deref(),
        change.tags.as_ref().unwrap_or(&task.tags),
        change.metadata.as_ref().unwrap_or(&task.metadata),
    );
    let Value::Object(mut columns) = serde_json::to_value(&change).map_err(Error::internal)? else {
        return Err(Error::internal("a change is no object"));
    };
    columns.insert("id".to_owned(), json!(item.id));
    Ok(CheckedChange { columns: Some(columns), bytes })
}
