//! Tokens that expire, at services that have them in their caches.

use chrono::TimeDelta;
use proto::content::v1::ListDocumentsRequest;
use proto::identity::v1::WhoAmIRequest;
use proto::project::v1::ListProjectsRequest;
use proto::task::v1::ListTasksRequest;
use testkit::{Actor, reason_of};

use crate::harness::harness;

/// Why each service refuses the actor; empty where it does not.
async fn refusals(actor: &Actor, project_id: &str) -> [String; 4] {
    let documents = ListDocumentsRequest { project_id: project_id.to_owned(), ..Default::default() };
    let [who, projects, tasks, documents] = [
        actor.auth().who_am_i(WhoAmIRequest {}).await.err(),
        actor.projects().list_projects(ListProjectsRequest::default()).await.err(),
        actor.tasks().list_tasks(ListTasksRequest::default()).await.err(),
        actor.documents().list_documents(documents).await.err(),
    ];
    [who, projects, tasks, documents]
        .map(|refused| refused.map(|status| reason_of(&status)).unwrap_or_default())
}

#[tokio::test]
async fn an_expired_session_token_is_refused_by_every_service_despite_caches() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let project = olga.project("apollo").await;

    suite.options.clock.advance(TimeDelta::minutes(59));
    assert_eq!(refusals(&olga, &project.id).await, [""; 4]);
    suite.options.clock.advance(TimeDelta::minutes(2));

    assert_eq!(refusals(&olga, &project.id).await, ["SESSION_INVALID"; 4]);
}
