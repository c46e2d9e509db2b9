//! The calls that are measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use futures::FutureExt;
use futures::future::BoxFuture;
use prost_types::FieldMask;
use proto::content::v1 as content;
use proto::content::v1::document_service_client::DocumentServiceClient;
use proto::identity::v1 as identity;
use proto::identity::v1::auth_service_client::AuthServiceClient;
use proto::project::v1 as project;
use proto::project::v1::project_service_client::ProjectServiceClient;
use proto::task::v1 as task;
use proto::task::v1::task_service_client::TaskServiceClient;
use tonic::Status;

use super::load::Call;
use super::pgbench::Script;
use super::suite::{BenchSuite, Fixtures, Services, fixture_task};

const PAGE_SIZE: i32 = 50;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Work {
    GetTask,
    GetProject,
    WhoAmI,
    GetDocument,
    ListTasks,
    CreateTask,
    UpdateTask,
    UpdateDocument,
}

impl Work {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GetTask => "GetTask",
            Self::GetProject => "GetProject",
            Self::WhoAmI => "WhoAmI",
            Self::GetDocument => "GetDocument",
            Self::ListTasks => "ListTasks(50)",
            Self::CreateTask => "CreateTask",
            Self::UpdateTask => "UpdateTask",
            Self::UpdateDocument => "UpdateDocument",
        }
    }

    /// What PostgreSQL alone does of the kind.
    pub(super) fn script(self) -> Script {
        match self {
            Self::GetTask | Self::GetProject | Self::WhoAmI | Self::GetDocument => Script::Get,
            Self::ListTasks => Script::List,
            Self::CreateTask => Script::Create,
            Self::UpdateTask | Self::UpdateDocument => Script::Update,
        }
    }

    /// Makes the call, each time on the next of the resources.
    pub(super) fn call(self, suite: &BenchSuite, fixtures: &Arc<Fixtures>) -> impl Call {
        let (services, fixtures, calls) = (suite.services(), fixtures.clone(), AtomicUsize::new(0));
        move || {
            let turn = calls.fetch_add(1, Ordering::Relaxed);
            match self {
                Self::GetTask | Self::ListTasks | Self::CreateTask | Self::UpdateTask => {
                    self.call_task(&services, &fixtures, turn)
                }
                Self::GetDocument | Self::UpdateDocument => self.call_document(&services, &fixtures, turn),
                Self::GetProject => {
                    let request = project::GetProjectRequest { project_id: fixtures.project_id.clone() };
                    let request = fixtures.request(request);
                    let mut client = ProjectServiceClient::new(services.project.next());
                    async move { client.get_project(request).await.map(drop) }.boxed()
                }
                Self::WhoAmI => {
                    let request = fixtures.request(identity::WhoAmIRequest {});
                    let mut client = AuthServiceClient::new(services.identity.next());
                    async move { client.who_am_i(request).await.map(drop) }.boxed()
                }
            }
        }
    }

    fn call_task(
        self,
        services: &Services,
        fixtures: &Fixtures,
        turn: usize,
    ) -> BoxFuture<'static, Result<(), Status>> {
        let mut client = TaskServiceClient::new(services.task.next());
        let (task_id, project_id) = (nth(&fixtures.task_ids, turn), fixtures.project_id.clone());
        match self {
            Self::ListTasks => {
                let filter = task::TaskFilter { project_ids: vec![project_id], ..Default::default() };
                let request = task::ListTasksRequest {
                    filter: Some(filter),
                    page_size: PAGE_SIZE,
                    ..Default::default()
                };
                let request = fixtures.request(request);
                async move { client.list_tasks(request).await.map(drop) }.boxed()
            }
            Self::CreateTask => {
                let task = task::Task { project_id, ..fixture_task("a task of the benchmark") };
                let request =
                    fixtures.request(task::CreateTaskRequest { task: Some(task), ..Default::default() });
                async move { client.create_task(request).await.map(drop) }.boxed()
            }
            Self::UpdateTask => {
                let task = task::Task { id: task_id, title: format!("title {turn}"), ..Default::default() };
                let request = fixtures.request(task::UpdateTaskRequest {
                    task: Some(task),
                    update_mask: mask("title"),
                    ..Default::default()
                });
                async move { client.update_task(request).await.map(drop) }.boxed()
            }
            _ => {
                let request = fixtures.request(task::GetTaskRequest { task_id });
                async move { client.get_task(request).await.map(drop) }.boxed()
            }
        }
    }

    fn call_document(
        self,
        services: &Services,
        fixtures: &Fixtures,
        turn: usize,
    ) -> BoxFuture<'static, Result<(), Status>> {
        let mut client = DocumentServiceClient::new(services.content.next());
        let id = nth(&fixtures.document_ids, turn);
        if self == Self::UpdateDocument {
            let document = content::Document { id, title: format!("title {turn}"), ..Default::default() };
            let request = fixtures.request(content::UpdateDocumentRequest {
                document: Some(document),
                update_mask: mask("title"),
                ..Default::default()
            });
            return async move { client.update_document(request).await.map(drop) }.boxed();
        }
        let request = fixtures.request(content::GetDocumentRequest { document_id: id });
        async move { client.get_document(request).await.map(drop) }.boxed()
    }
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: vec![path.to_owned()] })
}

/// The calls go through the ids again and again, in an order that is not that of the table.
fn nth(ids: &[String], turn: usize) -> String {
    let stride = 7_919;
    ids.get((turn * stride) % ids.len().max(1)).cloned().unwrap_or_default()
}
