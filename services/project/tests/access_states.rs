//! Access states on request.

use crate::calls::*;
use crate::harness::harness;
use proto::project::backend::v1::access_service_client::AccessServiceClient;
use proto::project::backend::v1::{
    GetProjectAccessRequest, ListProjectAccessRequest, ProjectAccess, WatchProjectAccessRequest,
};
use proto::project::v1::{Project, ProjectRole};
use testkit::*;

async fn state_of(suite: &Suite, project_id: &str) -> ProjectAccess {
    let request = GetProjectAccessRequest { project_id: project_id.to_owned(), ..Default::default() };
    suite.as_service("task").project_access().get_project_access(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_state_is_complete_and_its_revision_grows() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let before = state_of(&suite, &project.id).await;
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    update(&olga, Project { visibility: PUBLIC, ..project.clone() }, &["visibility"]).await.unwrap();
    archive(&olga, &project, "").await.unwrap();

    let after = state_of(&suite, &project.id).await;
    assert_eq!(after.revision, before.revision + 3);
    assert_eq!((after.visibility, after.status, after.deleted), (PUBLIC, ARCHIVED, false));
    assert_eq!(after.key, project.key);
    let mut members: Vec<_> = after.members.iter().map(|m| (m.user_id.clone(), m.role)).collect();
    members.sort_unstable();
    assert_eq!(members, [(olga.id.to_string(), OWNER), (gus.id.to_string(), VIEWER)]);
}

#[tokio::test]
async fn a_deleted_project_has_a_deleted_state() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let before = state_of(&suite, &project.id).await;
    delete(&olga, &project, "").await.unwrap();
    let gone = state_of(&suite, &project.id).await;
    assert!(gone.deleted && gone.members.is_empty() && gone.revision > before.revision);
    let never = state_of(&suite, &new_id()).await;
    assert!(never.deleted && never.revision == 0);
}

#[tokio::test]
async fn the_list_includes_deleted_projects() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let project = olga.project(&n.to_string()).await;
        ids.push(project.id.clone());
        if n == 1 {
            delete(&olga, &project, "").await.unwrap();
        }
    }
    ids.sort_unstable();
    let mut access = suite.as_service("task").project_access();
    let first = ListProjectAccessRequest::default();
    let page = access.list_project_access(first).await.unwrap().into_inner();
    assert!(page.last);
    assert_eq!(page.projects.iter().map(|state| state.project_id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(page.projects.iter().filter(|state| state.deleted).count(), 1);
    let rest = ListProjectAccessRequest { after_project_id: ids[0].clone() };
    let page = access.list_project_access(rest).await.unwrap().into_inner();
    assert_eq!(page.projects.len(), 2);
}

#[tokio::test]
async fn access_states_are_for_services_only() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let ask = |token: Option<String>| {
        let channel = suite.channel(Service::Project);
        let mut client = AccessServiceClient::with_interceptor(channel, Bearer(token));
        let project_id = project.id.clone();
        async move {
            let get = client
                .get_project_access(GetProjectAccessRequest { project_id, ..Default::default() })
                .await
                .unwrap_err();
            let list = client.list_project_access(ListProjectAccessRequest::default()).await.unwrap_err();
            let watch = client.watch_project_access(WatchProjectAccessRequest::default()).await.unwrap_err();
            [get, list, watch].map(|refusal| summary(&refusal))
        }
    };
    assert_eq!(ask(olga.session_token.clone()).await, ["PERMISSION_DENIED AUDIENCE_REFUSED"; 3]);
    for refusal in ask(None).await {
        assert!(!refusal.is_empty() && !refusal.starts_with("OK"), "{refusal}");
    }
}

#[tokio::test]
async fn malformed_requests_are_rejected() {
    let suite = harness().start().await;
    let mut access = suite.as_service("task").project_access();
    let request = GetProjectAccessRequest { project_id: "x".to_owned(), ..Default::default() };
    let refusal = access.get_project_access(request).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id"]);
    let request = ListProjectAccessRequest { after_project_id: "x".to_owned() };
    let refusal = access.list_project_access(request).await.unwrap_err();
    assert_eq!(violations(&refusal), ["after_project_id"]);
    for cursor in ["", "x", "1", "-1.0", "1.2.3.4", "99999999999999999999.1"] {
        let request = WatchProjectAccessRequest { cursor: cursor.to_owned() };
        let refusal = access.watch_project_access(request).await.unwrap_err();
        assert_eq!(violations(&refusal), ["cursor"]);
    }
}
