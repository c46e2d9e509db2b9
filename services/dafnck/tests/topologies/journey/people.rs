//! Sessions, and who sees what.

use proto::content::v1::{DocumentFilter, ListDocumentsRequest};
use proto::identity::v1::{ListSessionsRequest, RefreshSessionRequest, WhoAmIRequest};
use proto::project::v1::GetProjectRequest;
use proto::task::v1::{ListTasksRequest, TaskFilter};
use testkit::{Actor, summary};

use super::Journey;

/// The old token ends with the refresh, the new one is good for all services.
pub(super) async fn refresh_the_session(olga: &mut Actor) {
    let former = olga.clone();
    let request = RefreshSessionRequest { refresh_token: olga.refresh_token.clone() };
    let refreshed = olga.auth().refresh_session(request).await.unwrap().into_inner();
    let tokens = refreshed.tokens.unwrap();
    (olga.session_token, olga.refresh_token) = (Some(tokens.session_token), tokens.refresh_token);
    olga.auth().who_am_i(WhoAmIRequest {}).await.unwrap();
    super::until_refused("the former token", "UNAUTHENTICATED SESSION_INVALID", async || {
        former.auth().who_am_i(WhoAmIRequest {}).await
    })
    .await;
    let sessions = olga.account().list_sessions(ListSessionsRequest::default()).await.unwrap();
    assert_eq!(sessions.into_inner().sessions.len(), 1);
}

/// A private project is there for its members, in all services, and for nobody else.
pub(super) async fn strangers_see_nothing(Journey { olga, gus, vera, project, .. }: &Journey<'_>) {
    let id = || project.id.clone();
    for who in [olga, gus, vera] {
        let project = who.projects().get_project(GetProjectRequest { project_id: id() }).await.map(drop);
        let tasks = ListTasksRequest {
            filter: Some(TaskFilter { project_ids: vec![id()], ..Default::default() }),
            ..Default::default()
        };
        let tasks = who.tasks().list_tasks(tasks).await.map(drop);
        let documents = ListDocumentsRequest {
            filter: Some(DocumentFilter { project_ids: vec![id()], ..Default::default() }),
            ..Default::default()
        };
        let documents = who.documents().list_documents(documents).await.map(drop);
        for answer in [project, tasks, documents] {
            if who.id == vera.id {
                assert_eq!(summary(&answer.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
            } else {
                answer.unwrap();
            }
        }
    }
}
