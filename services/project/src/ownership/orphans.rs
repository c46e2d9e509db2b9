//! The RPC that finds projects whose owner's account is not active, for an operator.

use std::collections::HashSet;

use proto::project::admin::v1 as admin;
use shared::caller::Caller;
use shared::user_lookup::known_users;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries::{self, OwnedProject};
use crate::handler::ProjectHandler;

impl ProjectHandler {
    pub(crate) async fn list_orphaned_projects(
        &self,
        request: Request<admin::ListOrphanedProjectsRequest>,
    ) -> Result<Response<admin::ListOrphanedProjectsResponse>, Status> {
        let operator = Caller::of(&request)?.operator()?.to_owned();
        let admin::ListOrphanedProjectsRequest { page_size, page_token } = request.into_inner();
        let query = format!("orphaned projects for {operator}");
        let page = self.context.pages.read::<Uuid>(&query, page_size, &page_token)?;

        let tx = self.context.worker.begin_background().await?;
        let mut found = queries::list_owned(&tx, &page).await?;
        tx.finish();
        let next_page_token = self.context.pages.cut(&query, page.size, &mut found, |last| last.id)?;
        let owners: HashSet<Uuid> = found.iter().map(|project| project.owner_id).collect();
        let active = known_users(&self.context.siblings, &Vec::from_iter(owners), true).await?;
        let orphaned = found.into_iter().filter(|project| !active.contains(&project.owner_id));
        let projects = orphaned.map(admin::OrphanedProject::from).collect();
        Ok(Response::new(admin::ListOrphanedProjectsResponse { projects, next_page_token }))
    }
}

impl From<OwnedProject> for admin::OrphanedProject {
    fn from(project: OwnedProject) -> Self {
        Self {
            project_id: project.id.to_string(),
            name: project.name,
            owner_id: project.owner_id.to_string(),
        }
    }
}
