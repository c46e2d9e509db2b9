//! `GetMyWork`.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::{GetMyWorkInput, to_wire};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(crate) async fn get_my_work(
        &self,
        request: Request<pb::GetMyWorkRequest>,
    ) -> Result<Response<pb::MyWork>, Status> {
        let caller = Caller::of(&request)?;
        let input = GetMyWorkInput::read(request.get_ref(), caller.user()?.user_id)?;
        let tasks = self
            .authorizer
            .read_in_projects(
                &caller,
                input.filter.project_ids.as_deref().unwrap_or_default(),
                Permission::TaskRead,
                &input,
                |conn, input| queries::groups(conn, input).boxed(),
            )
            .await?;
        Ok(Response::new(to_wire(tasks)))
    }
}
