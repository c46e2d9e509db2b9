//! Deleting many tasks.

use diesel::result::Error as DieselError;
use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::explain;
use shared::error::{Error, Result};
use shared::idempotency;
use uuid::Uuid;

use super::wire::{BatchDelete, new_batch_id};
use super::{projects_in_order, queries, refused_at, require_in_all};
use crate::NAME;
use crate::constraints::DELETION;
use crate::graph;
use crate::handlers::{Handlers, Room};
use crate::place::Place;

impl Handlers {
    pub(super) async fn delete_batch(
        &self,
        caller: &Caller,
        request: pb::BatchDeleteTasksRequest,
    ) -> Result<()> {
        let asked: BatchDelete = request.try_into()?;
        let ids: Vec<Uuid> = asked.items.iter().map(|item| item.id).collect();
        let places: Vec<Place> = ids.iter().map(|id| Place::Task(*id)).collect();
        let look = || self.look_to_delete(caller, &asked, &ids).boxed();
        let (tx, may) = match self.fresh(&places, look).await? {
            Room::Taken(()) => return Ok(()),
            Room::Free(room) => *room,
        };
        let deleted = match queries::delete(tx, &may, &ids).await {
            Ok(deleted) => deleted,
            Err(error) => return Err(self.explain_delete(&ids, error).await),
        };
        self.context.signal.announce();
        match ids.iter().enumerate().find(|(_, id)| !deleted.contains(id)) {
            Some((index, id)) => Err(Error::of_item(index)(Error::not_found("task", id))),
            None => Ok(()),
        }
    }

    /// Says which task it was that has subtasks outside of the batch: under row security the database does not.
    async fn explain_delete(&self, ids: &[Uuid], error: DieselError) -> Error {
        let place = self.first_parent(ids).await.unwrap_or_default();
        refused_at(place, explain(DELETION)(error))
    }

    async fn first_parent(&self, ids: &[Uuid]) -> Result<Option<usize>> {
        let tx = self.context.worker.begin_background().await?;
        let parents = queries::parents_of_others(&tx, ids).await?;
        tx.finish();
        Ok(ids.iter().position(|id| parents.contains(id)))
    }

    async fn look_to_delete(
        &self,
        caller: &Caller,
        asked: &BatchDelete,
        ids: &[Uuid],
    ) -> Result<Room<(), Vec<ProjectAccess>>> {
        let user_id = caller.user()?.user_id;
        let tx = self.context.database.begin(caller).await?;
        let ((), earlier, visible) = try_join!(
            // The dependencies go with the tasks.
            graph::enter_alone(&tx),
            idempotency::claim(&tx, NAME, user_id, "BatchDeleteTasks", asked.key.as_ref(), new_batch_id()),
            queries::visible_projects(&tx, ids),
        )?;
        if earlier.is_some() {
            tx.finish();
            return Ok(Room::Taken(()));
        }
        let projects = projects_in_order(&visible, ids)?;
        let (may, locked) = try_join!(
            require_in_all(&tx, user_id, &projects, Permission::TaskDelete),
            queries::lock(&tx, ids),
        )?;
        for (index, item) in asked.items.iter().enumerate() {
            let task = locked.get(&item.id).ok_or_else(|| Error::not_found("task", item.id));
            task.and_then(|task| item.check(task)).map_err(Error::of_item(index))?;
        }
        Ok(Room::Free(Box::new((tx, may))))
    }
}
