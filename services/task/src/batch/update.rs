//! Changing many tasks: who may is asked once per project, and all changes are one statement.

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

use super::wire::{BatchUpdate, new_batch_id};
use super::{in_order, projects_in_order, queries, refused_at, require_in_all};
use crate::NAME;
use crate::constraints::CONSTRAINTS;
use crate::graph;
use crate::handlers::{Handlers, Room};
use crate::place::Place;
use crate::tasks::Task;
use crate::tasks::wire::UpdateTask;

impl Handlers {
    pub(super) async fn update_batch(
        &self,
        caller: &Caller,
        request: pb::BatchUpdateTasksRequest,
    ) -> Result<Vec<Task>> {
        let asked: BatchUpdate = request.try_into()?;
        let places: Vec<Place> = asked.items.iter().map(|item| Place::Task(item.id)).collect();
        let look = || self.look_to_update(caller, &asked).boxed();
        let (tx, may) = match self.fresh(&places, look).await? {
            Room::Taken(tasks) => return Ok(tasks),
            Room::Free(room) => *room,
        };
        let changes = asked.changes()?;
        if !changes.is_empty()
            && let Err(error) = queries::update(&tx, &may, &changes).await
        {
            drop(tx);
            return Err(self.explain_update(caller, &asked, &may, error).await);
        }
        let mut found = queries::commit_and_get(tx, &asked.ids()).await?;
        self.context.signal.announce();
        in_order(&mut found, asked.ids().into_iter())
    }

    async fn look_to_update(
        &self,
        caller: &Caller,
        asked: &BatchUpdate,
    ) -> Result<Room<Vec<Task>, Vec<ProjectAccess>>> {
        let (user_id, ids) = (caller.user()?.user_id, asked.ids());
        let tx = self.context.database.begin(caller).await?;
        let ((), earlier, visible) = try_join!(
            lock_dependency_graph(&tx, asked),
            idempotency::claim(&tx, NAME, user_id, "BatchUpdateTasks", asked.key.as_ref(), new_batch_id()),
            queries::visible_projects(&tx, &ids),
        )?;
        if earlier.is_some() {
            let mut found = queries::get(&tx, &ids).await?;
            tx.finish();
            return Ok(Room::Taken(in_order(&mut found, ids.into_iter())?));
        }
        let projects = projects_in_order(&visible, &ids)?;
        let (parents, assigned) = asked.references(&projects);
        let (may, locked, parents, members) = try_join!(
            require_in_all(&tx, user_id, &projects, Permission::TaskWrite),
            queries::lock(&tx, &ids),
            queries::visible_projects(&tx, &parents),
            queries::memberships(&tx, &assigned),
        )?;
        for (index, item) in asked.items.iter().enumerate() {
            check(item, &locked, &parents, &members).map_err(Error::of_item(index))?;
        }
        Ok(Room::Free(Box::new((tx, may))))
    }

    /// Says which item a statement for all of them failed for: they are changed again one by one, in a transaction
    /// that is undone.
    async fn explain_update(
        &self,
        caller: &Caller,
        asked: &BatchUpdate,
        may: &[ProjectAccess],
        error: DieselError,
    ) -> Error {
        let place = self.first_refused(caller, asked, may).await.unwrap_or_default();
        refused_at(place, self.hide_invisible(caller, explain(CONSTRAINTS)(error)).await)
    }

    async fn first_refused(
        &self,
        caller: &Caller,
        asked: &BatchUpdate,
        may: &[ProjectAccess],
    ) -> Result<Option<usize>> {
        let tx: Transaction = self.context.database.begin(caller).await?;
        lock_dependency_graph(&tx, asked).await?;
        for (index, item) in asked.items.iter().enumerate() {
            if let Some(change) = change_of(item)?
                && queries::update(&tx, may, &[change]).await.is_err()
            {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

impl BatchUpdate {
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

    /// The parents and, with their projects, the assignees that the items name.
    fn references(&self, projects: &[Uuid]) -> (Vec<Uuid>, HashSet<(Uuid, Uuid)>) {
        let changes =
            || self.items.iter().zip(projects).filter_map(|(item, p)| Some((item.change.as_ref()?, *p)));
        let parents = changes().filter_map(|(change, _)| change.parent_task_id.flatten());
        let assigned =
            changes().filter_map(|(change, project)| Some((project, change.assignee_id.flatten()?)));
        (parents.collect(), assigned.collect())
    }
}

async fn lock_dependency_graph(tx: &Transaction, asked: &BatchUpdate) -> Result<()> {
    if asked.touches_graph() { graph::enter_alone(tx).await } else { Ok(()) }
}

/// A change as the columns that it sets.
fn change_of(item: &UpdateTask) -> Result<Option<Map<String, Value>>> {
    let Some(change) = &item.change else { return Ok(None) };
    let Value::Object(mut columns) = serde_json::to_value(change).map_err(Error::internal)? else {
        return Ok(None);
    };
    columns.insert("id".to_owned(), json!(item.id));
    Ok(Some(columns))
}

fn check(
    item: &UpdateTask,
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
