//! The RPCs of dependencies between tasks.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::error::Result;
use shared::idempotency;
use shared::page::AfterTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{CreateTaskDependencyInput, ListTaskDependenciesInput};
use super::{Dependency, queries};
use crate::NAME;
use crate::access_target::AccessTarget;
use crate::graph;
use crate::handler::{CreateClaim, TaskHandler};
use crate::tasks::wire::required_id;

impl TaskHandler {
    pub(crate) async fn create_task_dependency(
        &self,
        request: Request<pb::CreateTaskDependencyRequest>,
    ) -> Result<Response<pb::TaskDependency>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let input: CreateTaskDependencyInput = request.into_inner().try_into()?;
        let ends = [
            AccessTarget::Task(input.dependency.task_id),
            AccessTarget::Task(input.dependency.depends_on_task_id),
        ];
        let made = match self
            .retry_with_refreshed_access(&ends, || {
                self.claim_or_replay_dependency(&caller, user_id, &input, ends).boxed()
            })
            .await?
        {
            CreateClaim::Replayed(earlier) => return Ok(Response::new(earlier.into())),
            CreateClaim::New(room) => queries::insert(room.0, &room.1, input.dependency).await,
        };
        let dependency = match made {
            Ok(dependency) => dependency,
            Err(refusal) => return Err(self.hide_invisible_tasks(&caller, refusal).await.into()),
        };
        self.context.signal.announce();
        Ok(Response::new(dependency.into()))
    }

    pub(crate) async fn list_task_dependencies(
        &self,
        request: Request<pb::ListTaskDependenciesRequest>,
    ) -> Result<Response<pb::ListTaskDependenciesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let input: ListTaskDependenciesInput = request.into_inner().try_into()?;
        let ListTaskDependenciesInput { task_id, direction, kinds, page_size, page_token } = input;
        let query =
            format!("ListTaskDependencies {} {task_id} {direction:?} {kinds:?}", caller.database_user());
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let target = AccessTarget::Task(task_id);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, found) = try_join!(
                target.access(&tx, caller.database_user()),
                queries::list(&tx, task_id, direction, &kinds, &page)
            )?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(found)
        };
        let mut found = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        let position = |dependency: &Dependency| AfterTime { at: dependency.created_at, id: dependency.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut found, position)?;
        let dependencies = found.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListTaskDependenciesResponse { dependencies, next_page_token }))
    }

    pub(crate) async fn delete_task_dependency(
        &self,
        request: Request<pb::DeleteTaskDependencyRequest>,
    ) -> Result<Response<pb::DeleteTaskDependencyResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = required_id("dependency_id", &request.get_ref().dependency_id)?;
        let [from, to] = self.ends_of(id).await?;
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            // A caller who does not see both tasks does not see the dependency.
            let ((), _, access) = try_join!(
                graph::lock_exclusive(&tx),
                queries::get(&tx, id),
                from.access(&tx, caller.database_user())
            )?;
            access.require(Permission::TaskWrite)?;
            Ok((tx, access))
        };
        let (tx, access) = self.retry_with_refreshed_access(&[from, to], || attempt().boxed()).await?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteTaskDependencyResponse {}))
    }
}

impl TaskHandler {
    async fn claim_or_replay_dependency(
        &self,
        caller: &Caller,
        user_id: Uuid,
        input: &CreateTaskDependencyInput,
        [from, to]: [AccessTarget; 2],
    ) -> Result<CreateClaim<Dependency, [ProjectAccess; 2]>> {
        let new_id = input.dependency.id;
        let tx = self.context.database.begin(caller).await?;
        let ((), from, to, earlier) = try_join!(
            graph::lock_exclusive(&tx),
            from.access(&tx, user_id),
            to.access(&tx, user_id),
            idempotency::claim(&tx, NAME, user_id, "CreateTaskDependency", input.key.as_ref(), new_id),
        )?;
        if let Some(earlier) = earlier {
            let dependency = queries::get(&tx, earlier).await?;
            tx.finish();
            return Ok(CreateClaim::Replayed(dependency));
        }
        from.require(Permission::TaskWrite)?;
        to.require(Permission::TaskWrite)?;
        Ok(CreateClaim::New(Box::new((tx, [from, to]))))
    }

    /// The tasks of a dependency, for any caller: the access to their projects is refreshed if the caller does not
    /// see it.
    async fn ends_of(&self, id: Uuid) -> Result<[AccessTarget; 2]> {
        let tx = self.context.worker.begin_background().await?;
        let dependency = queries::get(&tx, id).await?;
        tx.finish();
        Ok([AccessTarget::Task(dependency.task_id), AccessTarget::Task(dependency.depends_on_task_id)])
    }
}
