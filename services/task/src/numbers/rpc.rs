//! The RPCs of names.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::{SetProjectKey, task_key};
use crate::handlers::Handlers;
use crate::place::Place;
use crate::tasks::wire::required_id;

impl Handlers {
    pub(crate) async fn lookup_task(
        &self,
        request: Request<pb::LookupTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        let caller = Caller::of(&request)?;
        let key = task_key(request.get_ref())?;
        let place = Place::Key(key);
        let look = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, task) =
                try_join!(place.access(&tx, caller.database_user()), queries::get(&tx, key))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(task)
        };
        Ok(Response::new(self.fresh(&[place], || look().boxed()).await?.into()))
    }

    pub(crate) async fn get_project_key(
        &self,
        request: Request<pb::GetProjectKeyRequest>,
    ) -> Result<Response<pb::ProjectKey>, Status> {
        let caller = Caller::of(&request)?;
        let project_id = required_id("project_id", &request.get_ref().project_id)?;
        let place = Place::Project(project_id);
        let look = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, key) =
                try_join!(place.access(&tx, caller.database_user()), queries::project_key(&tx, project_id))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(key)
        };
        let key = self.fresh(&[place], || look().boxed()).await?;
        Ok(Response::new(pb::ProjectKey { project_id: project_id.to_string(), key }))
    }

    pub(crate) async fn set_project_key(
        &self,
        request: Request<pb::SetProjectKeyRequest>,
    ) -> Result<Response<pb::ProjectKey>, Status> {
        let caller = Caller::of(&request)?;
        let SetProjectKey { project_id, key } = request.into_inner().try_into()?;
        let place = Place::Project(project_id);
        let look = async || {
            let tx = self.context.database.begin(&caller).await?;
            let access = place.access(&tx, caller.database_user()).await?;
            access.require(Permission::ProjectUpdate)?;
            Ok((tx, access))
        };
        let (tx, may) = self.fresh(&[place], || look().boxed()).await?;
        queries::set(tx, &may, &key).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::ProjectKey { project_id: project_id.to_string(), key }))
    }
}
