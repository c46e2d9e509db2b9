//! `GetProjectProgress`.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::{AccessTarget, Permission};
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::{Progress, queries};
use crate::handler::TaskHandler;
use crate::tasks::wire::required_id;

impl TaskHandler {
    pub(crate) async fn get_project_progress(
        &self,
        request: Request<pb::GetProjectProgressRequest>,
    ) -> Result<Response<pb::ProjectProgress>, Status> {
        let caller = Caller::of(&request)?;
        let project_id = required_id("project_id", &request.get_ref().project_id)?;
        let target = AccessTarget::project(project_id);
        let read = self
            .authorizer
            .begin(&caller, &target, Permission::TaskRead, |conn| queries::groups(conn, project_id).boxed());
        Ok(Response::new(Progress::of(project_id, &read.await?.finish()).into()))
    }
}
