//! `GetTaskFacets`.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::wire::GetTaskFacetsInput;
use super::{Facets, queries};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(crate) async fn get_task_facets(
        &self,
        request: Request<pb::GetTaskFacetsRequest>,
    ) -> Result<Response<pb::TaskFacets>, Status> {
        let caller = Caller::of(&request)?;
        let input = GetTaskFacetsInput::try_from(request.into_inner())?;
        let counts = self
            .authorizer
            .read_in_projects(
                &caller,
                input.filter.project_ids.as_deref().unwrap_or_default(),
                Permission::TaskRead,
                &input,
                |conn, input| queries::count(conn, input).boxed(),
            )
            .await?;
        Ok(Response::new(Facets::of(counts)?.into()))
    }
}
