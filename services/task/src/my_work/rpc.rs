//! The RPC of the caller's work.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::{GetMyWork, to_wire};
use crate::handlers::Handlers;

impl Handlers {
    pub(crate) async fn get_my_work(
        &self,
        request: Request<pb::GetMyWorkRequest>,
    ) -> Result<Response<pb::MyWork>, Status> {
        let caller = Caller::of(&request)?;
        let asked = GetMyWork::read(request.get_ref(), caller.user()?.user_id)?;
        let tasks = self
            .look_in(&caller, asked.filter.project_ids.as_deref(), &asked, |conn, asked| {
                queries::groups(conn, asked).boxed()
            })
            .await?;
        Ok(Response::new(to_wire(tasks)))
    }
}
