//! The RPCs that create, read, change and delete a task.

use crate::schema::TaskStatus;
use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{AccessTarget, AuthorizedTransaction, CreateClaim, Permission};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::etag;
use shared::idempotency::Creation;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::references::References;
use super::wire::{CreateTaskInput, UpdateTaskInput, required_id};
use super::{Referrer, Task, TaskChange, queries};
use crate::access_target;
use crate::graph::{self, GraphLock};
use crate::handler::TaskHandler;

/// Plain changes of any tasks go together: of which project a task is, is not known yet.
const PLAIN_UPDATES: Uuid = Uuid::nil();

type Answer<T> = Result<Response<T>, Status>;

impl TaskHandler {
    pub(crate) async fn create_task(&self, request: Request<pb::CreateTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let input = CreateTaskInput::read(request.into_inner(), caller.user()?.user_id)?;
        let task = match self.create_task_with_others(&caller, &input).await? {
            Some(task) => task,
            None => self.create_task_alone(&caller, input).await?,
        };
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }

    /// Creates a task together with others of its project. `None` if it must be created alone, as a subtask: others may have
    /// locked its parent, and locks of several parents in one transaction may deadlock with theirs.
    async fn create_task_with_others(
        &self,
        caller: &Caller,
        CreateTaskInput { key, task }: &CreateTaskInput,
    ) -> Result<Option<Task>> {
        if task.parent_task_id.is_some() {
            return Ok(None);
        }
        let creation = queries::to_gathered_creation(key.as_ref(), task)?;
        self.authorizer.write_gathered(&self.task_creations, caller, task.project_id, creation).await
    }

    /// Creates a task in a transaction of its own, or finds out why it cannot be created.
    async fn create_task_alone(&self, caller: &Caller, input: CreateTaskInput) -> Result<Task> {
        let CreateTaskInput { key, task } = input;
        let target = AccessTarget::project(task.project_id);
        let references = References { parent: task.parent_task_id, assignee: task.assignee_id };
        let referrer = Referrer::Project(task.project_id);
        let creation = Creation {
            caller_id: task.creator_id,
            method: "CreateTask",
            key: key.as_ref(),
            resource_id: task.id,
        };
        // References are checked in the attempt: a new assignee may be a member in a fresher copy only.
        let attempt = async || {
            let claim = self.authorizer.claim_or_replay_once(
                caller,
                &target,
                Permission::TaskWrite,
                creation,
                |conn| references.resolve(conn, referrer).boxed(),
                |conn, id| queries::get_readable(conn, id).boxed(),
            );
            let claim = claim.await?;
            if let CreateClaim::New(transaction) = &claim {
                references.check(&transaction.found, task.project_id)?;
            }
            Ok(claim)
        };
        let targets = std::slice::from_ref(&target);
        let claim = self.authorizer.retry_with_refreshed_access(targets, || attempt().boxed()).await?;
        let AuthorizedTransaction { tx, access, .. } = match claim {
            CreateClaim::Replayed(task) => return Ok(task),
            CreateClaim::New(transaction) => transaction,
        };
        queries::insert(tx, &access, task).await
    }

    pub(crate) async fn get_task(&self, request: Request<pb::GetTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let id = required_id("task_id", &request.get_ref().task_id)?;
        let target = access_target::task(id);
        let read = self.authorizer.read(&self.task_reads, &caller, (&target, id), Permission::TaskRead);
        Ok(Response::new(read.await?.into()))
    }

    pub(crate) async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> Answer<pb::ListTasksResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.list(&caller, request.into_inner()).await?))
    }

    pub(crate) async fn update_task(&self, request: Request<pb::UpdateTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let input: UpdateTaskInput = request.into_inner().try_into()?;
        let task = match self.update_task_with_others(&caller, &input).await? {
            Some(task) => task,
            None => self.update_task_alone(&caller, &input).await?,
        };
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }

    /// Makes a plain change together with others. `None` if the task must be changed alone.
    async fn update_task_with_others(
        &self,
        caller: &Caller,
        input: &UpdateTaskInput,
    ) -> Result<Option<Task>> {
        let (Some(change), None) =
            (input.change.as_ref().filter(|change| change.is_plain()), &input.metadata)
        else {
            return Ok(None);
        };
        let update = queries::to_gathered_update(input.id, &input.etag, change)?;
        self.authorizer.write_gathered(&self.task_updates, caller, PLAIN_UPDATES, update).await
    }

    /// Changes a task in a transaction of its own, or finds out why it cannot be changed.
    async fn update_task_alone(&self, caller: &Caller, input: &UpdateTaskInput) -> Result<Task> {
        let (id, graph_lock) = (input.id, input.change.as_ref().and_then(TaskChange::graph_lock));
        let references = References {
            parent: input.change.as_ref().and_then(|change| change.parent_task_id).flatten(),
            assignee: input.change.as_ref().and_then(|change| change.assignee_id).flatten(),
        };
        let target = access_target::task(id);
        let attempt = async || {
            let locked = self.authorizer.begin_once(caller, &target, Permission::TaskWrite, |conn| {
                async move {
                    try_join!(
                        graph::lock(conn, id, graph_lock),
                        queries::lock(conn, id),
                        references.resolve(conn, Referrer::Task(id))
                    )
                }
                .boxed()
            });
            let AuthorizedTransaction { tx, access, found: ((), task, found) } = locked.await?;
            queries::require_write_and_read(&access)?;
            let task = task.ok_or_else(|| Error::not_found("task", id))?;
            references.check(&found, task.project_id)?;
            Ok((tx, access, task))
        };
        let targets = std::slice::from_ref(&target);
        let (tx, access, task) =
            self.authorizer.retry_with_refreshed_access(targets, || attempt().boxed()).await?;
        etag::check(&input.etag, task.version)?;
        let Some(change) = input.change_of(&task)? else {
            tx.finish();
            return Ok(task);
        };
        task.check(&change)?;
        match queries::update(tx, &access, id, change).await {
            Ok(task) => Ok(task),
            Err(refusal) => Err(self.hide_invisible_tasks(caller, refusal).await),
        }
    }

    /// Takes three round trips: the seed document's function completes the task, and its effect is read after it.
    pub(crate) async fn complete_task(&self, request: Request<pb::CompleteTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let id = required_id("task_id", &request.get_ref().task_id)?;
        let AuthorizedTransaction { tx, access, found: task } =
            self.lock_task(&caller, id, Permission::TaskWrite, Some(GraphLock::Status)).await?;
        queries::require_write_and_read(&access)?;
        // Checked before the etag, which the first call has changed, so that a retry succeeds.
        if task.status == TaskStatus::Done {
            tx.finish();
            return Ok(Response::new(task.into()));
        }
        etag::check(&request.get_ref().etag, task.version)?;
        let task = match queries::complete(tx, &access, id).await {
            Ok(task) => task,
            Err(refusal) => return Err(self.hide_invisible_tasks(&caller, refusal).await.into()),
        };
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }

    pub(crate) async fn delete_task(
        &self,
        request: Request<pb::DeleteTaskRequest>,
    ) -> Answer<pb::DeleteTaskResponse> {
        let caller = Caller::of(&request)?;
        let id = required_id("task_id", &request.get_ref().task_id)?;
        let AuthorizedTransaction { tx, access, found: task } =
            self.lock_task(&caller, id, Permission::TaskDelete, Some(GraphLock::Status)).await?;
        etag::check(&request.get_ref().etag, task.version)?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteTaskResponse {}))
    }

    /// Locks the graph and a task that the caller may change.
    async fn lock_task(
        &self,
        caller: &Caller,
        id: Uuid,
        permission: Permission,
        graph_lock: Option<GraphLock>,
    ) -> Result<AuthorizedTransaction<Task>> {
        let target = access_target::task(id);
        let locked = self.authorizer.begin(caller, &target, permission, |conn| {
            async move { try_join!(graph::lock(conn, id, graph_lock), queries::lock(conn, id)) }.boxed()
        });
        let AuthorizedTransaction { tx, access, found: ((), task) } = locked.await?;
        let found = task.ok_or_else(|| Error::not_found("task", id))?;
        Ok(AuthorizedTransaction { tx, access, found })
    }
}
