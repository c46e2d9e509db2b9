//! The RPCs of tasks.

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
use super::wire::{CreateTask, UpdateTask, required_id};
use super::{Task, TaskChange, queries};
use crate::NAME;
use crate::graph::{self, Entry};
use crate::handlers::{Handlers, Room};
use crate::place::Place;
use crate::progress::{self, Progress};

type Answer<T> = Result<Response<T>, Status>;

impl Handlers {
    pub(crate) async fn create_task(&self, request: Request<pb::CreateTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let asked = CreateTask::read(request.into_inner(), caller.user()?.user_id)?;
        let place = Place::Project(asked.task.project_id);
        let task = match self.fresh(&[place], || self.claim_or_replay(&caller, &asked, place).boxed()).await?
        {
            Room::Taken(task) => return Ok(Response::new(task.into())),
            Room::Free(room) => queries::insert(room.0, &room.1, asked.task).await?,
        };
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }

    pub(crate) async fn get_task(&self, request: Request<pb::GetTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let id = required_id("task_id", &request.get_ref().task_id)?;
        let place = Place::Task(id);
        let look = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, task) = try_join!(place.access(&tx, caller.database_user()), queries::get(&tx, id))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(task)
        };
        Ok(Response::new(self.fresh(&[place], || look().boxed()).await?.into()))
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
        let asked: UpdateTask = request.into_inner().try_into()?;
        let place = Place::Task(asked.id);
        let Locked { tx, task, access } =
            self.fresh(&[place], || self.lock_with_references(&caller, &asked).boxed()).await?;
        etag::check(&asked.etag, task.version)?;
        let Some(change) = asked.change else {
            tx.finish();
            return Ok(Response::new(task.into()));
        };
        task.check(&change)?;
        let task = match queries::update(tx, &access, asked.id, change).await {
            Ok(task) => task,
            Err(refusal) => return Err(self.hide_invisible(&caller, refusal).await.into()),
        };
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }

    /// Takes three round trips: the function that completes is the seed's, and its effect is read after it.
    pub(crate) async fn complete_task(&self, request: Request<pb::CompleteTaskRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let id = required_id("task_id", &request.get_ref().task_id)?;
        let Locked { tx, task, access } =
            self.lock(&caller, id, Permission::TaskWrite, Entry::Status).await?;
        // Before the etag, which the first call has changed: a retry is answered like it.
        if task.status == TaskStatus::Done {
            tx.finish();
            return Ok(Response::new(task.into()));
        }
        etag::check(&request.get_ref().etag, task.version)?;
        let task = match queries::complete(tx, &access, id).await {
            Ok(task) => task,
            Err(refusal) => return Err(self.hide_invisible(&caller, refusal).await.into()),
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
            self.lock(&caller, id, Permission::TaskDelete, Entry::Status).await?;
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
        let place = Place::Project(project_id);
        let look = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, groups) = try_join!(
                place.access(&tx, caller.database_user()),
                progress::queries::groups(&tx, project_id)
            )?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(groups)
        };
        let groups = self.fresh(&[place], || look().boxed()).await?;
        Ok(Response::new(Progress::of(project_id, &groups).into()))
    }
}

/// A task that the caller may change, locked until the transaction ends.
struct Locked {
    tx: Transaction,
    task: Task,
    access: ProjectAccess,
}

impl Handlers {
    async fn claim_or_replay(
        &self,
        caller: &Caller,
        asked: &CreateTask,
        place: Place,
    ) -> Result<Room<Task, ProjectAccess>> {
        let CreateTask { key, task } = asked;
        let wanted = References {
            parent: task.parent_task_id,
            assignee: task.assignee_id,
            parent_field: "parent_task_id",
        };
        let tx = self.context.database.begin(caller).await?;
        let (access, earlier, found) = try_join!(
            place.access(&tx, task.creator_id),
            idempotency::claim(&tx, NAME, task.creator_id, "CreateTask", key.as_ref(), task.id),
            wanted.look_up(&tx, place),
        )?;
        if let Some(earlier) = earlier {
            let task = queries::get(&tx, earlier).await?;
            tx.finish();
            return Ok(Room::Taken(task));
        }
        access.require(Permission::TaskWrite)?;
        wanted.check(&found, task.project_id)?;
        Ok(Room::Free(Box::new((tx, access))))
    }

    async fn lock(&self, caller: &Caller, id: Uuid, permission: Permission, entry: Entry) -> Result<Locked> {
        let look = async || {
            let tx = self.context.database.begin(caller).await?;
            let ((), (task, access)) =
                try_join!(graph::enter(&tx, id, Some(entry)), locked(&tx, caller, id, permission))?;
            Ok(Locked { tx, task, access })
        };
        self.fresh(&[Place::Task(id)], || look().boxed()).await
    }

    async fn lock_with_references(&self, caller: &Caller, asked: &UpdateTask) -> Result<Locked> {
        let wanted = References {
            parent: asked.change.as_ref().and_then(|change| change.parent_task_id).flatten(),
            assignee: asked.change.as_ref().and_then(|change| change.assignee_id).flatten(),
            parent_field: "task.parent_task_id",
        };
        let tx = self.context.database.begin(caller).await?;
        let entry = asked.change.as_ref().and_then(TaskChange::entry);
        let ((), (task, access), found) = try_join!(
            graph::enter(&tx, asked.id, entry),
            locked(&tx, caller, asked.id, Permission::TaskWrite),
            wanted.look_up(&tx, Place::Task(asked.id))
        )?;
        wanted.check(&found, task.project_id)?;
        Ok(Locked { tx, task, access })
    }
}

/// Locks a task and proves that the caller may change it, in one flight.
pub(crate) async fn locked(
    tx: &Transaction,
    caller: &Caller,
    id: Uuid,
    permission: Permission,
) -> Result<(Task, ProjectAccess)> {
    let (task, access) =
        try_join!(queries::lock(tx, id), Place::Task(id).access(tx, caller.database_user()))?;
    access.require(permission)?;
    Ok((task.ok_or_else(|| Error::not_found("task", id))?, access))
}
