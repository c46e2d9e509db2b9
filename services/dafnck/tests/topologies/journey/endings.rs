//! What ends, ends everywhere: a membership, a task, a project, a session.

use proto::content::v1::{DocumentFilter, GetAttachmentRequest, ListDocumentsRequest};
use proto::identity::v1::{LogoutRequest, WhoAmIRequest};
use proto::project::v1::{DeleteProjectRequest, GetProjectRequest, RemoveMemberRequest};
use proto::task::v1::{
    DeleteTaskRequest, GetTaskRequest, ListTasksRequest, Task, TaskFilter, WatchTasksResponse,
};
use testkit::summary;
use tonic::Streaming;

use super::{Journey, TIMEOUT, until_refused};

const NOT_FOUND: &str = "NOT_FOUND RESOURCE_NOT_FOUND";
const NO_SESSION: &str = "UNAUTHENTICATED SESSION_INVALID";

pub(super) async fn a_removed_member_is_out(
    Journey { olga, gus, project, .. }: &Journey<'_>,
    mut watched: Streaming<WatchTasksResponse>,
) {
    let id = || project.id.clone();
    let removal = RemoveMemberRequest { project_id: id(), user_id: gus.id.to_string(), ..Default::default() };
    olga.members().remove_member(removal).await.unwrap();
    until_refused("the project", NOT_FOUND, async || {
        gus.projects().get_project(GetProjectRequest { project_id: id() }).await
    })
    .await;
    until_refused("its tasks", NOT_FOUND, async || {
        gus.tasks()
            .list_tasks(ListTasksRequest {
                filter: Some(TaskFilter { project_ids: vec![id()], ..Default::default() }),
                ..Default::default()
            })
            .await
    })
    .await;
    until_refused("its documents", NOT_FOUND, async || {
        gus.documents()
            .list_documents(ListDocumentsRequest {
                filter: Some(DocumentFilter { project_ids: vec![id()], ..Default::default() }),
                ..Default::default()
            })
            .await
    })
    .await;
    let end = tokio::time::timeout(TIMEOUT, async {
        loop {
            match watched.message().await {
                Ok(Some(_)) => {}
                Ok(None) => break "no error".to_owned(),
                Err(status) => break summary(&status),
            }
        }
    });
    assert_eq!(end.await.unwrap(), NOT_FOUND, "the end of the stream");
}

/// Tasks and files are of two services: here the feed of deleted tasks works, or a foreign key.
pub(super) async fn files_go_with_their_task(
    Journey { olga, .. }: &Journey<'_>,
    task: &Task,
    files: &[String],
) {
    let delete = DeleteTaskRequest { task_id: task.id.clone(), ..Default::default() };
    olga.tasks().delete_task(delete).await.unwrap();
    for file in files {
        until_refused("a file", NOT_FOUND, async || {
            olga.attachments().get_attachment(GetAttachmentRequest { attachment_id: file.clone() }).await
        })
        .await;
    }
}

pub(super) async fn everything_goes_with_the_project(journey: &Journey<'_>, task: &Task) {
    let Journey { suite, olga, project, .. } = journey;
    let delete = DeleteProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().delete_project(delete).await.unwrap();
    until_refused("a task", NOT_FOUND, async || {
        olga.tasks().get_task(GetTaskRequest { task_id: task.id.clone() }).await
    })
    .await;
    crate::project_deletion::nothing_is_left(suite, project).await;
}

pub(super) async fn a_revoked_session_is_refused_everywhere(Journey { suite, olga, .. }: &Journey<'_>) {
    let other = suite.guest("otto").await;
    let project = other.project("gemini").await;
    olga.auth().logout(LogoutRequest {}).await.unwrap();
    let id = || project.id.clone();
    until_refused("identity", NO_SESSION, async || olga.auth().who_am_i(WhoAmIRequest {}).await).await;
    until_refused("project", NO_SESSION, async || {
        olga.projects().get_project(GetProjectRequest { project_id: id() }).await
    })
    .await;
    until_refused("task", NO_SESSION, async || {
        olga.tasks()
            .list_tasks(ListTasksRequest {
                filter: Some(TaskFilter { project_ids: vec![id()], ..Default::default() }),
                ..Default::default()
            })
            .await
    })
    .await;
    until_refused("content", NO_SESSION, async || {
        olga.documents()
            .list_documents(ListDocumentsRequest {
                filter: Some(DocumentFilter { project_ids: vec![id()], ..Default::default() }),
                ..Default::default()
            })
            .await
    })
    .await;
}
