//! The RPCs of task and project keys.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::{SetProjectKeyInput, task_key};
use crate::access_target::AccessTarget;
use crate::handler::TaskHandler;
use crate::tasks::wire::required_id;

impl TaskHandler {
    pub(crate) async fn lookup_task(
        &self,
        request: Request<pb::LookupTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        let caller = Caller::of(&request)?;
        let key = task_key(request.get_ref())?;
        let target = AccessTarget::Key(key);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, task) =
                try_join!(target.access(&tx, caller.database_user()), queries::get(&tx, key))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(task)
        };
        Ok(Response::new(self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?.into()))
    }

    pub(crate) async fn get_project_key(
        &self,
        request: Request<pb::GetProjectKeyRequest>,
    ) -> Result<Response<pb::ProjectKey>, Status> {
        let caller = Caller::of(&request)?;
        let project_id = required_id("project_id", &request.get_ref().project_id)?;
        let target = AccessTarget::Project(project_id);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, key) =
                try_join!(target.access(&tx, caller.database_user()), queries::project_key(&tx, project_id))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(key)
        };
        let key = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        Ok(Response::new(pb::ProjectKey { project_id: project_id.to_string(), key }))
    }

    pub(crate) async fn set_project_key(
        &self,
        request: Request<pb::SetProjectKeyRequest>,
    ) -> Result<Response<pb::ProjectKey>, Status> {
        let caller = Caller::of(&request)?;
        let SetProjectKeyInput { project_id, key } = request.into_inner().try_into()?;
        let target = AccessTarget::Project(project_id);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let access = target.access(&tx, caller.database_user()).await?;
            access.require(Permission::ProjectUpdate)?;
            Ok((tx, access))
        };
        let (tx, access) = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        queries::set(tx, &access, &key).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::ProjectKey { project_id: project_id.to_string(), key }))
    }
}
