//! `GetProjectProgress`.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::{AccessTarget, Permission};
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::{Progress, queries, wire};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(crate) async fn get_project_progress(
        &self,
        request: Request<pb::GetProjectProgressRequest>,
    ) -> Result<Response<pb::ProjectProgress>, Status> {
        let caller = Caller::of(&request)?;
        let (project_id, milestone_id) = wire::read(request.get_ref())?;
        let target = AccessTarget::project(project_id);
        let read = self.authorizer.begin(&caller, &target, Permission::TaskRead, |conn| {
            queries::groups(conn, project_id, milestone_id).boxed()
        });
        Ok(Response::new(Progress::of(project_id, &read.await?.finish()).into()))
    }
}
