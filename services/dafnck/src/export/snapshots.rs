//! The moments whose state is exported: one of each service.
//!
//! Content refers to tasks and projects, tasks refer to projects, and all refer to users. So the moments follow each other in
//! that order, and what was made in between is there for whoever refers to it. What was deleted in between is not: see
//! [`super::written_ids`].

use proto::content::admin::v1::content_admin_service_client::ContentAdminServiceClient;
use proto::content::admin::v1::{ExportDocumentsRequest, ExportDocumentsResponse};
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::admin::v1::{ExportUsersRequest, ExportUsersResponse};
use proto::project::admin::v1::project_admin_service_client::ProjectAdminServiceClient;
use proto::project::admin::v1::{ExportProjectsRequest, ExportProjectsResponse};
use proto::task::admin::v1::task_admin_service_client::TaskAdminServiceClient;
use proto::task::admin::v1::{ExportTasksRequest, ExportTasksResponse};
use shared::server::MAX_MESSAGE_BYTES;
use shared::siblings::{Sibling, Siblings};
use tonic::{Response, Status, Streaming};
use uuid::Uuid;

use crate::call_error::explain;

/// What a service holds at one moment.
pub(super) struct SnapshotStream<T> {
    /// Read ahead: the service has opened its snapshot when it answers.
    first: Option<T>,
    rest: Streaming<T>,
}

impl<T> SnapshotStream<T> {
    async fn new(answer: Result<Response<Streaming<T>>, Status>) -> anyhow::Result<Self> {
        let mut rest = answer.map_err(explain)?.into_inner();
        let first = rest.message().await.map_err(explain)?;
        Ok(Self { first, rest })
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<T>> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.rest.message().await.map_err(explain),
        }
    }
}

/// The moments of all services but identity, whose comes last.
pub(super) struct Snapshots {
    pub(super) projects: SnapshotStream<ExportProjectsResponse>,
    pub(super) tasks: SnapshotStream<ExportTasksResponse>,
    pub(super) content: SnapshotStream<ExportDocumentsResponse>,
}

impl Snapshots {
    /// Opens them, in the order in which things refer to each other.
    pub(super) async fn open(services: &Siblings, projects: &[Uuid]) -> anyhow::Result<Self> {
        let project_ids: Vec<String> = projects.iter().map(Uuid::to_string).collect();
        let request = ExportDocumentsRequest { project_ids: project_ids.clone() };
        let mut client = ContentAdminServiceClient::new(services.channel(Sibling::Content))
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let content = SnapshotStream::new(client.export_documents(request).await).await?;
        let request = ExportTasksRequest { project_ids: project_ids.clone() };
        let mut client = TaskAdminServiceClient::new(services.channel(Sibling::Task))
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let tasks = SnapshotStream::new(client.export_tasks(request).await).await?;
        let request = ExportProjectsRequest { project_ids };
        let mut client = ProjectAdminServiceClient::new(services.channel(Sibling::Project))
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let projects = SnapshotStream::new(client.export_projects(request).await).await?;
        Ok(Self { projects, tasks, content })
    }
}

/// The users as they are now: these, or all if none are named. Users are never deleted, so all whom anything refers to
/// are there.
pub(super) async fn users(
    services: &Siblings,
    ids: &[Uuid],
) -> anyhow::Result<SnapshotStream<ExportUsersResponse>> {
    let request = ExportUsersRequest { user_ids: ids.iter().map(Uuid::to_string).collect() };
    let mut client = UserAdminServiceClient::new(services.channel(Sibling::Identity))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    SnapshotStream::new(client.export_users(request).await).await
}
