//! The RPC of the export; only services reach it.

use futures::stream::BoxStream;
use proto::task::admin::v1 as pb;
use shared::caller::Caller;
use shared::error::Result;
use shared::export::{ExportSender, Exports, Snapshot, wanted};
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;

/// Serves `TaskExportService`.
pub(crate) struct Export {
    exports: Exports,
}

impl Export {
    pub(crate) fn new(context: &ServiceContext) -> Self {
        Self { exports: Exports::new(context) }
    }
}

impl Export {
    pub(crate) async fn export_tasks(
        &self,
        request: Request<pb::ExportTasksRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ExportTasksResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let projects = wanted("project_ids", &request.into_inner().project_ids)?;
        Ok(Response::new(
            self.exports.stream(&caller, move |snapshot, teller| tell(snapshot, teller, projects))?,
        ))
    }
}

async fn tell(
    snapshot: Snapshot,
    teller: ExportSender<pb::ExportTasksResponse>,
    projects: Vec<Uuid>,
) -> Result<()> {
    let mut rows = snapshot.rows("project_keys", &queries::weigh_project_keys(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let project_keys = queries::project_keys(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        teller.tell(pb::ExportTasksResponse { project_keys, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("tasks", &queries::task_ids_with_sizes(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let tasks = queries::tasks(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        teller.tell(pb::ExportTasksResponse { tasks, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("dependencies", &queries::weigh_dependencies(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let dependencies = queries::dependencies(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        teller.tell(pb::ExportTasksResponse { dependencies, ..Default::default() }).await?;
    }
    Ok(())
}
