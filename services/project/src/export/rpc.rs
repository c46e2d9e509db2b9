//! The RPC of the export.

use futures::stream::BoxStream;
use proto::project::admin::v1 as pb;
use shared::caller::Caller;
use shared::error::Result;
use shared::export::{ExportSender, Snapshot, parse_ids};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;
use crate::handler::ProjectHandler;

impl ProjectHandler {
    pub(crate) async fn export_projects(
        &self,
        request: Request<pb::ExportProjectsRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ExportProjectsResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let project_ids = parse_ids("project_ids", &request.into_inner().project_ids)?;
        Ok(Response::new(
            self.exports.stream(&caller, move |snapshot, sender| export(snapshot, sender, project_ids))?,
        ))
    }
}

async fn export(
    snapshot: Snapshot,
    sender: ExportSender<pb::ExportProjectsResponse>,
    project_ids: Vec<Uuid>,
) -> Result<()> {
    let mut rows = snapshot.rows("projects", &queries::project_ids_with_sizes(&project_ids)).await?;
    while let Some(ids) = rows.next().await? {
        let projects = queries::projects(&snapshot, &ids).await?;
        let joined = queries::owner_join_dates(&snapshot, &ids).await?;
        let projects = projects.into_iter().map(|project| {
            let owner_joined_at = joined.get(&project.id).copied();
            project.into_imported(owner_joined_at)
        });
        let projects = projects.collect();
        sender.send(pb::ExportProjectsResponse { projects, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("members", &queries::member_ids_with_sizes(&project_ids)).await?;
    while let Some(ids) = rows.next().await? {
        let members = queries::members(&snapshot, &ids).await?.into_iter().map(Into::into).collect();
        sender.send(pb::ExportProjectsResponse { members, ..Default::default() }).await?;
    }
    Ok(())
}
