//! The RPCs that create, read, change and delete a task, and a project's progress.

use crate::schema::TaskStatus;
use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::references::References;
use super::wire::{CreateTaskInput, UpdateTaskInput, required_id};
use super::{Task, TaskChange, queries};
use crate::NAME;
use crate::access_target::AccessTarget;
use crate::graph::{self, GraphLock};
use crate::handler::{CreateClaim, TaskHandler};
use crate::progress::{self, Progress};

type Answer<T> = Result<Response<T>, Status>;

impl TaskHandler {
    pub(crate) async fn create_task(&self, request: Request<pb::CreateTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let input = CreateTaskInput::read(request.into_inner(), caller.user()?.user_id)?;
        let target = AccessTarget::Project(input.task.project_id);
        let task = match self
            .retry_with_refreshed_access(&[target], || self.claim_or_replay(&caller, &input, target).boxed())
            .await?
        {
            CreateClaim::Replayed(task) => return Ok(Response::new(task.into())),
            CreateClaim::New(room) => queries::insert(room.0, &room.1, input.task).await?,
        };
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }

    pub(crate) async fn get_task(&self, request: Request<pb::GetTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let id = required_id("task_id", &request.get_ref().task_id)?;
        let target = AccessTarget::Task(id);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, task) =
                try_join!(target.access(&tx, caller.database_user()), queries::get(&tx, id))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(task)
        };
        Ok(Response::new(self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?.into()))
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
        let target = AccessTarget::Task(input.id);
        let Locked { tx, task, access } = self
            .retry_with_refreshed_access(&[target], || self.lock_with_references(&caller, &input).boxed())
            .await?;
        etag::check(&input.etag, task.version)?;
        let Some(change) = input.change else {
            tx.finish();
            return Ok(Response::new(task.into()));
        };
        task.check(&change)?;
        let task = match queries::update(tx, &access, input.id, change).await {
            Ok(task) => task,
            Err(refusal) => return Err(self.hide_invisible_tasks(&caller, refusal).await.into()),
        };
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }

    /// Takes three round trips: the seed document's function completes the task, and its effect is read after it.
    pub(crate) async fn complete_task(&self, request: Request<pb::CompleteTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let id = required_id("task_id", &request.get_ref().task_id)?;
        let Locked { tx, task, access } =
            self.lock(&caller, id, Permission::TaskWrite, GraphLock::Status).await?;
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
        let Locked { tx, task, access } =
            self.lock(&caller, id, Permission::TaskDelete, GraphLock::Status).await?;
        etag::check(&request.get_ref().etag, task.version)?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteTaskResponse {}))
    }

    pub(crate) async fn get_project_progress(
        &self,
        request: Request<pb::GetProjectProgressRequest>,
    ) -> Answer<pb::ProjectProgress> {
        let caller = Caller::of(&request)?;
        let project_id = required_id("project_id", &request.get_ref().project_id)?;
        let target = AccessTarget::Project(project_id);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, groups) = try_join!(
                target.access(&tx, caller.database_user()),
                progress::queries::groups(&tx, project_id)
            )?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(groups)
        };
        let groups = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        Ok(Response::new(Progress::of(project_id, &groups).into()))
    }
}

/// A task that the caller may change, locked until the transaction ends.
struct Locked {
    tx: Transaction,
    task: Task,
    access: ProjectAccess,
}

impl TaskHandler {
    async fn claim_or_replay(
        &self,
        caller: &Caller,
        input: &CreateTaskInput,
        target: AccessTarget,
    ) -> Result<CreateClaim<Task, ProjectAccess>> {
        let CreateTaskInput { key, task } = input;
        let wanted = References {
            parent: task.parent_task_id,
            assignee: task.assignee_id,
            parent_field: "parent_task_id",
        };
        let tx = self.context.database.begin(caller).await?;
        let (access, earlier, found) = try_join!(
            target.access(&tx, task.creator_id),
            idempotency::claim(&tx, NAME, task.creator_id, "CreateTask", key.as_ref(), task.id),
            wanted.resolve(&tx, target),
        )?;
        if let Some(earlier) = earlier {
            let task = queries::get(&tx, earlier).await?;
            tx.finish();
            return Ok(CreateClaim::Replayed(task));
        }
        access.require(Permission::TaskWrite)?;
        wanted.check(&found, task.project_id)?;
        Ok(CreateClaim::New(Box::new((tx, access))))
    }

    async fn lock(
        &self,
        caller: &Caller,
        id: Uuid,
        permission: Permission,
        graph_lock: GraphLock,
    ) -> Result<Locked> {
        let attempt = async || {
            let tx = self.context.database.begin(caller).await?;
            let ((), (task, access)) =
                try_join!(graph::lock(&tx, id, Some(graph_lock)), locked(&tx, caller, id, permission))?;
            Ok(Locked { tx, task, access })
        };
        self.retry_with_refreshed_access(&[AccessTarget::Task(id)], || attempt().boxed()).await
    }

    async fn lock_with_references(&self, caller: &Caller, input: &UpdateTaskInput) -> Result<Locked> {
        let wanted = References {
            parent: input.change.as_ref().and_then(|change| change.parent_task_id).flatten(),
            assignee: input.change.as_ref().and_then(|change| change.assignee_id).flatten(),
            parent_field: "task.parent_task_id",
        };
        let tx = self.context.database.begin(caller).await?;
        let graph_lock = input.change.as_ref().and_then(TaskChange::graph_lock);
        let ((), (task, access), found) = try_join!(
            graph::lock(&tx, input.id, graph_lock),
            locked(&tx, caller, input.id, Permission::TaskWrite),
            wanted.resolve(&tx, AccessTarget::Task(input.id))
        )?;
        wanted.check(&found, task.project_id)?;
        Ok(Locked { tx, task, access })
    }
}

/// Locks a task and checks the permission, in one pipeline.
pub(crate) async fn locked(
    tx: &Transaction,
    caller: &Caller,
    id: Uuid,
    permission: Permission,
) -> Result<(Task, ProjectAccess)> {
    let (task, access) =
        try_join!(queries::lock(tx, id), AccessTarget::Task(id).access(tx, caller.database_user()))?;
    access.require(permission)?;
    Ok((task.ok_or_else(|| Error::not_found("task", id))?, access))
}
