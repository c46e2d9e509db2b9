//! Creating many tasks: two round trips, as for one.

use std::collections::HashMap;

use diesel::result::Error as DieselError;
use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use serde_json::json;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::{Transaction, constraint_of, explain};
use shared::error::{Error, Result};
use shared::idempotency;
use uuid::Uuid;

use super::wire::{BatchCreate, new_batch_id};
use super::{first_places, in_order, queries, refused_at};
use crate::NAME;
use crate::constraints::CONSTRAINTS;
use crate::graph;
use crate::handlers::{Handlers, Room};
use crate::place::Place;
use crate::tasks::{NewTask, Task};

impl Handlers {
    pub(super) async fn create_batch(
        &self,
        caller: &Caller,
        request: pb::BatchCreateTasksRequest,
    ) -> Result<Vec<Task>> {
        let mut asked = BatchCreate::read(request, caller.user()?.user_id)?;
        let batch_id = new_batch_id();
        asked.name_items(batch_id);
        let place = Place::Project(asked.project_id);
        let look = || self.look_for_batch_room(caller, &asked, batch_id).boxed();
        let (tx, may) = match self.fresh(&[place], look).await? {
            Room::Taken(tasks) => return Ok(tasks),
            Room::Free(room) => *room,
        };
        let stored = match queries::insert(tx, &may, json!(asked.items)).await {
            Ok(stored) => stored?,
            Err(error) => return Err(self.explain_insert(&asked, error).await),
        };
        self.context.signal.announce();
        let mut stored: HashMap<Uuid, Task> = stored.into_iter().map(|task| (task.id, task)).collect();
        in_order(&mut stored, asked.items.iter().map(|item| item.id))
    }

    /// Says which item it was whose id is taken: under row security the database does not.
    async fn explain_insert(&self, asked: &BatchCreate, error: DieselError) -> Error {
        let is_taken = constraint_of(&error) == Some("tasks_pkey");
        let place = if is_taken { self.first_taken(asked).await.unwrap_or_default() } else { None };
        refused_at(place, explain(CONSTRAINTS)(error))
    }

    async fn first_taken(&self, asked: &BatchCreate) -> Result<Option<usize>> {
        let ids: Vec<Uuid> = asked.items.iter().map(|item| item.id).collect();
        let tx = self.context.worker.begin_background().await?;
        let taken = queries::visible_projects(&tx, &ids).await?;
        tx.finish();
        Ok(ids.iter().position(|id| taken.contains_key(id)))
    }

    async fn look_for_batch_room(
        &self,
        caller: &Caller,
        asked: &BatchCreate,
        batch_id: Uuid,
    ) -> Result<Room<Vec<Task>, ProjectAccess>> {
        let user_id = caller.database_user();
        let place = Place::Project(asked.project_id);
        let parents: Vec<Uuid> = asked.items.iter().filter_map(|item| item.parent_task_id).collect();
        let assigned =
            asked.items.iter().filter_map(|item| Some((item.project_id, item.assignee_id?))).collect();
        let tx = self.context.database.begin(caller).await?;
        let ((), access, earlier, parents, members) = try_join!(
            lock_dependency_graph(&tx, &parents),
            place.access(&tx, user_id),
            idempotency::claim(&tx, NAME, user_id, "BatchCreateTasks", asked.key.as_ref(), batch_id),
            queries::visible_projects(&tx, &parents),
            queries::memberships(&tx, &assigned),
        )?;
        if let Some(earlier) = earlier {
            let ids = asked.ids_under(earlier);
            let mut found = queries::get(&tx, &ids).await?;
            tx.finish();
            return Ok(Room::Taken(in_order(&mut found, ids.into_iter())?));
        }
        access.require(Permission::TaskWrite)?;
        let places = first_places(&asked.items.iter().map(|item| item.id).collect::<Vec<_>>());
        for (index, item) in asked.items.iter().enumerate() {
            check_parent(item, index, &places, &parents)?;
            match item.assignee_id {
                Some(assignee) if !members.contains(&(item.project_id, assignee)) => {
                    return Err(Error::of_item(index)(Error::not_found("user", assignee)));
                }
                _ => {}
            }
        }
        Ok(Room::Free(Box::new((tx, access))))
    }
}

async fn lock_dependency_graph(tx: &Transaction, parents: &[Uuid]) -> Result<()> {
    if parents.is_empty() { Ok(()) } else { graph::enter_together(tx).await }
}

/// A parent is in the batch before its subtasks, or in the project already.
fn check_parent(
    item: &NewTask,
    index: usize,
    places: &HashMap<Uuid, usize>,
    visible: &HashMap<Uuid, Uuid>,
) -> Result<()> {
    let Some(parent) = item.parent_task_id else { return Ok(()) };
    let invalid = |sentence| Err(Error::invalid(format!("requests[{index}].parent_task_id"), sentence));
    match (places.get(&parent), visible.get(&parent)) {
        (Some(place), _) if *place < index => Ok(()),
        (Some(_), None) => invalid("must come before its subtasks"),
        (_, Some(project)) if *project == item.project_id => Ok(()),
        (_, Some(_)) => invalid("must be a task of the same project"),
        (None, None) => Err(Error::of_item(index)(Error::not_found("task", parent))),
    }
}
