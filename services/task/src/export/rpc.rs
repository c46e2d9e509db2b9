//! `ExportTasks`, for operators.

use futures::stream::BoxStream;
use proto::task::admin::v1 as pb;
use shared::caller::Caller;
use shared::error::Result;
use shared::export::{ExportSender, Snapshot, parse_ids};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(crate) async fn export_tasks(
        &self,
        request: Request<pb::ExportTasksRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ExportTasksResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let projects = parse_ids("project_ids", &request.into_inner().project_ids)?;
        Ok(Response::new(
            self.exports.stream(&caller, move |snapshot, writer| write_export(snapshot, writer, projects))?,
        ))
    }
}

async fn write_export(
    snapshot: Snapshot,
    writer: ExportSender<pb::ExportTasksResponse>,
    projects: Vec<Uuid>,
) -> Result<()> {
    let mut rows = snapshot.rows("task_counters", &queries::task_counters_with_sizes(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let task_counters = queries::counters(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        writer.send(pb::ExportTasksResponse { task_counters, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("milestones", &queries::milestone_ids_with_sizes(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let milestones = queries::milestones(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        writer.send(pb::ExportTasksResponse { milestones, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("tasks", &queries::task_ids_with_sizes(&projects)).await?;
    while let Some(ids) = rows.next().await? {
        let tasks = queries::tasks(&snapshot, ids).await?.into_iter().map(Into::into).collect();
        writer.send(pb::ExportTasksResponse { tasks, ..Default::default() }).await?;
    }
    write_links(&snapshot, &writer, &projects).await
}

/// What refers to tasks.
async fn write_links(
    snapshot: &Snapshot,
    writer: &ExportSender<pb::ExportTasksResponse>,
    projects: &[Uuid],
) -> Result<()> {
    let mut rows = snapshot.rows("dependencies", &queries::dependency_ids_with_sizes(projects)).await?;
    while let Some(ids) = rows.next().await? {
        let dependencies = queries::dependencies(snapshot, ids).await?.into_iter().map(Into::into).collect();
        writer.send(pb::ExportTasksResponse { dependencies, ..Default::default() }).await?;
    }
    let mut rows = snapshot.rows("time_entries", &queries::time_entry_ids_with_sizes(projects)).await?;
    while let Some(ids) = rows.next().await? {
        let time_entries = queries::time_entries(snapshot, ids).await?.into_iter().map(Into::into).collect();
        writer.send(pb::ExportTasksResponse { time_entries, ..Default::default() }).await?;
    }
    Ok(())
}
