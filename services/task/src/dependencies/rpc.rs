//! The RPCs of dependencies.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::error::Result;
use shared::idempotency;
use shared::page::AfterTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{CreateTaskDependency, ListTaskDependencies};
use super::{Dependency, queries};
use crate::NAME;
use crate::graph;
use crate::handlers::{Handlers, Room};
use crate::place::Place;
use crate::tasks::wire::required_id;

impl Handlers {
    pub(crate) async fn create_task_dependency(
        &self,
        request: Request<pb::CreateTaskDependencyRequest>,
    ) -> Result<Response<pb::TaskDependency>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let asked: CreateTaskDependency = request.into_inner().try_into()?;
        let ends = [Place::Task(asked.dependency.task_id), Place::Task(asked.dependency.depends_on_task_id)];
        let made =
            match self.fresh(&ends, || self.look_at_ends(&caller, user_id, &asked, ends).boxed()).await? {
                Room::Taken(earlier) => return Ok(Response::new(earlier.into())),
                Room::Free(room) => queries::insert(room.0, &room.1, asked.dependency).await,
            };
        let dependency = match made {
            Ok(dependency) => dependency,
            Err(refusal) => return Err(self.hide_invisible(&caller, refusal).await.into()),
        };
        self.context.signal.announce();
        Ok(Response::new(dependency.into()))
    }

    pub(crate) async fn list_task_dependencies(
        &self,
        request: Request<pb::ListTaskDependenciesRequest>,
    ) -> Result<Response<pb::ListTaskDependenciesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let asked: ListTaskDependencies = request.into_inner().try_into()?;
        let ListTaskDependencies { task_id, direction, kinds, page_size, page_token } = asked;
        let query =
            format!("ListTaskDependencies {} {task_id} {direction:?} {kinds:?}", caller.database_user());
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let place = Place::Task(task_id);
        let look = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, found) = try_join!(
                place.access(&tx, caller.database_user()),
                queries::list(&tx, task_id, direction, &kinds, &page)
            )?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(found)
        };
        let mut found = self.fresh(&[place], || look().boxed()).await?;
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
        let look = async || {
            let tx = self.context.database.begin(&caller).await?;
            // Who does not see both ends does not see the dependency.
            let ((), _, access) = try_join!(
                graph::enter_alone(&tx),
                queries::get(&tx, id),
                from.access(&tx, caller.database_user())
            )?;
            access.require(Permission::TaskWrite)?;
            Ok((tx, access))
        };
        let (tx, may) = self.fresh(&[from, to], || look().boxed()).await?;
        queries::delete(tx, &may, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteTaskDependencyResponse {}))
    }
}

impl Handlers {
    async fn look_at_ends(
        &self,
        caller: &Caller,
        user_id: Uuid,
        asked: &CreateTaskDependency,
        [from, to]: [Place; 2],
    ) -> Result<Room<Dependency, [ProjectAccess; 2]>> {
        let new_id = asked.dependency.id;
        let tx = self.context.database.begin(caller).await?;
        let ((), from, to, earlier) = try_join!(
            graph::enter_alone(&tx),
            from.access(&tx, user_id),
            to.access(&tx, user_id),
            idempotency::claim(&tx, NAME, user_id, "CreateTaskDependency", asked.key.as_ref(), new_id),
        )?;
        if let Some(earlier) = earlier {
            let dependency = queries::get(&tx, earlier).await?;
            tx.finish();
            return Ok(Room::Taken(dependency));
        }
        from.require(Permission::TaskWrite)?;
        to.require(Permission::TaskWrite)?;
        Ok(Room::Free(Box::new((tx, [from, to]))))
    }

    /// The tasks at the ends of a dependency, whoever asks: their projects are asked about when the caller does
    /// not see it.
    async fn ends_of(&self, id: Uuid) -> Result<[Place; 2]> {
        let tx = self.context.worker.begin_background().await?;
        let dependency = queries::get(&tx, id).await?;
        tx.finish();
        Ok([Place::Task(dependency.task_id), Place::Task(dependency.depends_on_task_id)])
    }
}
