//! Creates many tasks in two round trips.

use std::collections::HashMap;

use diesel::result::Error as DieselError;
use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use serde_json::json;
use shared::access::{AccessTarget, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::{Transaction, constraint_of, explain};
use shared::error::{Error, Result};
use shared::idempotency;
use uuid::Uuid;

use super::wire::{BatchCreateTasksInput, new_batch_id};
use super::{BatchClaim, at_item, first_indexes, in_request_order, queries, require_fitting};
use crate::NAME;
use crate::constraints::CONSTRAINTS;
use crate::graph;
use crate::handler::TaskHandler;
use crate::tasks::{NewTask, Task, message_bytes};

impl TaskHandler {
    pub(super) async fn create_batch(
        &self,
        caller: &Caller,
        request: pb::BatchCreateTasksRequest,
    ) -> Result<Vec<Task>> {
        let mut input = BatchCreateTasksInput::read(request, caller.user()?.user_id)?;
        let batch_id = new_batch_id();
        input.assign_item_ids(batch_id);
        let bytes = input
            .items
            .iter()
            .map(|item| message_bytes(&item.title, item.description.as_deref(), &item.tags, &item.metadata));
        require_fitting(bytes.sum(), "tasks")?;
        let target = AccessTarget::project(input.project_id);
        let attempt = || self.claim_or_replay_batch(caller, &input, batch_id).boxed();
        let (tx, access) = match self.authorizer.retry_with_refreshed_access(&[target], attempt).await? {
            BatchClaim::Replayed(tasks) => return Ok(tasks),
            BatchClaim::New(claimed) => *claimed,
        };
        let stored = match queries::insert(tx, &access, json!(input.items)).await {
            Ok(stored) => stored?,
            Err(error) => return Err(self.explain_insert(&input, error).await),
        };
        self.context.signal.announce();
        let mut stored: HashMap<Uuid, Task> = stored.into_iter().map(|task| (task.id, task)).collect();
        in_request_order(&mut stored, input.items.iter().map(|item| item.id))
    }

    /// Finds the item whose id is taken: under row-level security the error does not say it.
    async fn explain_insert(&self, input: &BatchCreateTasksInput, error: DieselError) -> Error {
        let is_taken = constraint_of(&error) == Some("tasks_pkey");
        let index = if is_taken { self.first_taken(input).await.unwrap_or_default() } else { None };
        at_item(index, explain(CONSTRAINTS)(error))
    }

    async fn first_taken(&self, input: &BatchCreateTasksInput) -> Result<Option<usize>> {
        let ids: Vec<Uuid> = input.items.iter().map(|item| item.id).collect();
        let tx = self.context.worker.begin_background().await?;
        let taken = queries::visible_projects(&tx, &ids).await?;
        tx.finish();
        Ok(ids.iter().position(|id| taken.contains_key(id)))
    }

    async fn claim_or_replay_batch(
        &self,
        caller: &Caller,
        input: &BatchCreateTasksInput,
        batch_id: Uuid,
    ) -> Result<BatchClaim<Vec<Task>, ProjectAccess>> {
        let user_id = caller.database_user();
        let target = AccessTarget::project(input.project_id);
        let parents: Vec<Uuid> = input.items.iter().filter_map(|item| item.parent_task_id).collect();
        let assigned =
            input.items.iter().filter_map(|item| Some((item.project_id, item.assignee_id?))).collect();
        let tx = self.context.database.begin(caller).await?;
        let ((), access, earlier, parents, members) = try_join!(
            lock_dependency_graph(&tx, &parents),
            self.authorizer.access(&tx, caller, &target),
            idempotency::claim(&tx, NAME, user_id, "BatchCreateTasks", input.key.as_ref(), batch_id),
            queries::visible_projects(&tx, &parents),
            queries::memberships(&tx, &assigned),
        )?;
        access.require(Permission::TaskWrite)?;
        if let Some(earlier) = earlier {
            access.require(Permission::TaskRead)?;
            let ids = input.ids_in_batch(earlier);
            let mut found = queries::get(&tx, &ids).await?;
            tx.finish();
            return Ok(BatchClaim::Replayed(in_request_order(&mut found, ids.into_iter())?));
        }
        let indexes = first_indexes(&input.items.iter().map(|item| item.id).collect::<Vec<_>>());
        for (index, item) in input.items.iter().enumerate() {
            check_parent(item, index, &indexes, &parents)?;
            match item.assignee_id {
                Some(assignee) if !members.contains(&(item.project_id, assignee)) => {
                    return Err(Error::of_item(index)(Error::not_found("user", assignee)));
                }
                _ => {}
            }
        }
        Ok(BatchClaim::New(Box::new((tx, access))))
    }
}

async fn lock_dependency_graph(tx: &Transaction, parents: &[Uuid]) -> Result<()> {
    if parents.is_empty() { Ok(()) } else { graph::lock_shared(tx).await }
}

/// A parent must be an earlier item of the batch or a task of the project.
fn check_parent(
    item: &NewTask,
    index: usize,
    indexes: &HashMap<Uuid, usize>,
    visible: &HashMap<Uuid, Uuid>,
) -> Result<()> {
    let Some(parent) = item.parent_task_id else { return Ok(()) };
    let invalid = |sentence| Err(Error::invalid(format!("tasks[{index}].parent_task_id"), sentence));
    match (indexes.get(&parent), visible.get(&parent)) {
        (Some(first), _) if *first < index => Ok(()),
        (Some(_), None) => invalid("must come before its subtasks"),
        (_, Some(project)) if *project == item.project_id => Ok(()),
        (_, Some(_)) => invalid("must be a task of the same project"),
        (None, None) => Err(Error::of_item(index)(Error::not_found("task", parent))),
    }
}
