//! Deletes many tasks.

use diesel::result::Error as DieselError;
use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{AccessTarget, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::explain;
use shared::error::{Error, Result};
use shared::idempotency;
use uuid::Uuid;

use super::wire::{BatchDeleteTasksInput, new_batch_id};
use super::{BatchClaim, at_item, projects_of_items, queries};
use crate::NAME;
use crate::access_target;
use crate::constraints::DELETE_CONSTRAINTS;
use crate::graph;
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(super) async fn delete_batch(
        &self,
        caller: &Caller,
        request: pb::BatchDeleteTasksRequest,
    ) -> Result<()> {
        let input: BatchDeleteTasksInput = request.try_into()?;
        let ids: Vec<Uuid> = input.items.iter().map(|item| item.id).collect();
        let targets: Vec<AccessTarget> = ids.iter().map(|id| access_target::task(*id)).collect();
        let attempt = || self.prepare_batch_delete(caller, &input, &ids).boxed();
        let (tx, access) = match self.authorizer.retry_with_refreshed_access(&targets, attempt).await? {
            BatchClaim::Replayed(()) => return Ok(()),
            BatchClaim::New(claimed) => *claimed,
        };
        let deleted = match queries::delete(tx, &access, &ids).await {
            Ok(deleted) => deleted,
            Err(error) => return Err(self.explain_delete(&ids, error).await),
        };
        self.context.signal.announce();
        match ids.iter().enumerate().find(|(_, id)| !deleted.contains(id)) {
            Some((index, id)) => Err(Error::of_item(index)(Error::not_found("task", id))),
            None => Ok(()),
        }
    }

    /// Finds the task that has subtasks outside of the batch: under row-level security the error does not say it.
    async fn explain_delete(&self, ids: &[Uuid], error: DieselError) -> Error {
        let index = self.first_parent(ids).await.unwrap_or_default();
        at_item(index, explain(DELETE_CONSTRAINTS)(error))
    }

    async fn first_parent(&self, ids: &[Uuid]) -> Result<Option<usize>> {
        let tx = self.context.worker.begin_background().await?;
        let parents = queries::parents_of_others(&tx, ids).await?;
        tx.finish();
        Ok(ids.iter().position(|id| parents.contains(id)))
    }

    async fn prepare_batch_delete(
        &self,
        caller: &Caller,
        input: &BatchDeleteTasksInput,
        ids: &[Uuid],
    ) -> Result<BatchClaim<(), Vec<ProjectAccess>>> {
        let user_id = caller.user()?.user_id;
        let tx = self.context.database.begin(caller).await?;
        let (earlier, visible) = try_join!(
            idempotency::claim(&tx, NAME, user_id, "BatchDeleteTasks", input.key.as_ref(), new_batch_id()),
            queries::visible_projects(&tx, ids),
        )?;
        if earlier.is_some() {
            tx.finish();
            return Ok(BatchClaim::Replayed(()));
        }
        let projects = projects_of_items(&visible, ids)?;
        let access = self.require_in_all(&tx, caller, &projects, &[Permission::TaskDelete]).await?;
        // Dependencies are deleted with their tasks.
        let ((), locked) = try_join!(graph::lock_exclusive(&tx), queries::lock(&tx, ids))?;
        for (index, item) in input.items.iter().enumerate() {
            let task = locked.get(&item.id).ok_or_else(|| Error::not_found("task", item.id));
            task.and_then(|task| item.check(task)).map_err(Error::of_item(index))?;
        }
        Ok(BatchClaim::New(Box::new((tx, access))))
    }
}
