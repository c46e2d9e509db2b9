//! The RPCs of `ProjectHistoryService`.

use shared::access::Permission;
use shared::caller::Caller;
use shared::error::Result;
use shared::proto::project::v1 as pb;
use shared::proto::project::v1::project_history_service_server::ProjectHistoryService;
use shared::service::Ground;
use tonic::{Request, Response, Status};

use super::wire::{self, ListHistory};
use super::{Change, Part, Place, queries};
use crate::projects::queries as projects;

/// Serves `ProjectHistoryService`.
pub(crate) struct History {
    ground: Ground,
}

impl History {
    /// On this ground.
    pub(crate) fn new(ground: Ground) -> Self {
        Self { ground }
    }
}

#[tonic::async_trait]
impl ProjectHistoryService for History {
    async fn list_project_history(
        &self,
        request: Request<pb::ListProjectHistoryRequest>,
    ) -> Result<Response<pb::ListProjectHistoryResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.database_user();
        let ListHistory { project_id, wish, page_size, page_token } = request.into_inner().try_into()?;
        let query = format!("history of {project_id} that {user_id} sees: {wish:?}");
        let page = self.ground.pages.read::<Place>(&query, page_size, &page_token)?;
        let tx = self.ground.database.begin(&caller).await?;
        // Read with the permissions, and cut down by them: so it is one round trip.
        let wished: Vec<Part> = Part::ALL.into_iter().filter(|part| wish.includes(*part)).collect();
        let (access, mut found) = futures::try_join!(
            projects::access(&tx, project_id, user_id),
            queries::history(&tx, project_id, &wished, &wish, &page)
        )?;
        tx.finish();
        access.require(Permission::ProjectRead)?;
        let next_page_token =
            self.ground.pages.cut(&query, page.size, &mut found, |last: &Change| last.place)?;
        let parts = wish.parts_for(access.permissions);
        let events = found.iter().map(|change| wire::event(change, &parts));
        let events = events.filter_map(Result::transpose).collect::<Result<_>>()?;
        Ok(Response::new(pb::ListProjectHistoryResponse { events, next_page_token }))
    }
}
