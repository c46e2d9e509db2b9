//! The history of a project.

use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::project_event::Subject;
use proto::project::v1::{
    ChangeKind, ListProjectHistoryRequest, ListProjectHistoryResponse, Project, ProjectEvent, ProjectPart,
    ProjectRole,
};
use testkit::*;
use tonic::Status;

async fn page(who: &Actor, request: ListProjectHistoryRequest) -> Result<ListProjectHistoryResponse, Status> {
    Ok(who.projects().list_project_history(request).await?.into_inner())
}

async fn history(who: &Actor, request: ListProjectHistoryRequest) -> Vec<ProjectEvent> {
    page(who, request).await.unwrap().events
}

fn of(project: &Project) -> ListProjectHistoryRequest {
    ListProjectHistoryRequest { project_id: project.id.clone(), ..Default::default() }
}

fn describe(events: &[ProjectEvent]) -> Vec<String> {
    let part = |event: &ProjectEvent| match event.subject.as_ref().unwrap() {
        Subject::Project(_) => "project",
        Subject::Member(_) => "member",
        Subject::Invitation(_) => "invitation",
        Subject::Transfer(_) => "transfer",
    };
    events.iter().map(|event| format!("{} {:?}", part(event), event.kind()).to_lowercase()).collect()
}

#[tokio::test]
async fn an_event_has_its_actor_and_both_states() {
    let suite = harness().start().await;
    let [olga, ada] = suite.guests(["olga", "ada"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    let renamed = Project { name: "gemini".to_owned(), ..project.clone() };
    let renamed = update(&ada, renamed, &["name"]).await.unwrap();

    let events = history(&olga, of(&project)).await;

    let expected = ["project updated", "member created", "member created", "project created"];
    assert_eq!(describe(&events), expected);
    assert_eq!(events[0].actor_id, ada.id.to_string());
    assert_eq!(events[0].changed_fields, ["name", "updated_at"]);
    let Some(Subject::Project(change)) = &events[0].subject else { panic!("{events:?}") };
    assert_eq!((change.before.as_ref().unwrap().name.as_str(), &change.after), ("apollo", &Some(renamed)));
    let Some(Subject::Project(change)) = &events[3].subject else { panic!("{events:?}") };
    assert_eq!((&change.before, &change.after), (&None, &Some(project)));
    assert!(events[3].changed_fields.is_empty());
}

#[tokio::test]
async fn history_is_filtered_and_paged() {
    let suite = harness().start().await;
    let [olga, ada] = suite.guests(["olga", "ada"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    complete(&ada, &project, "").await.unwrap();
    reopen(&olga, &project, "").await.unwrap();

    let by_ada = ListProjectHistoryRequest { actor_id: ada.id.to_string(), ..of(&project) };
    assert_eq!(describe(&history(&olga, by_ada).await), ["project updated"]);
    let members = vec![ProjectPart::Member as i32];
    let members = ListProjectHistoryRequest { parts: members, ..of(&project) };
    assert_eq!(describe(&history(&olga, members).await), ["member created"; 2]);
    let all = history(&olga, of(&project)).await;
    let middle = all[1].changed_at;
    let since = ListProjectHistoryRequest { since: middle, ..of(&project) };
    assert_eq!(history(&olga, since).await, all[..2]);
    let until = ListProjectHistoryRequest { until: middle, ..of(&project) };
    assert_eq!(history(&olga, until).await, all[2..]);

    let mut request = ListProjectHistoryRequest { page_size: 2, ..of(&project) };
    let mut paged = Vec::new();
    loop {
        let next = page(&olga, request.clone()).await.unwrap();
        paged.extend(next.events);
        request.page_token = next.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn history_shows_each_caller_what_they_may_read() {
    let suite = harness().start().await;
    let [olga, vera, gus] = suite.guests(["olga", "vera", "gus"]).await;
    let project = project_seen_by(&olga, "apollo", PUBLIC).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    let invitation = proto::project::v1::CreateInvitationRequest {
        project_id: project.id.clone(),
        email: "max@example.org".to_owned(),
        ..Default::default()
    };
    olga.members().create_invitation(invitation).await.unwrap();

    let to_olga = history(&olga, of(&project)).await;
    let expected = ["invitation created", "member created", "member created", "project created"];
    assert_eq!(describe(&to_olga), expected);
    assert_eq!(describe(&history(&vera, of(&project)).await), expected[1..]);
    for visitor in [&gus, &suite.anonymous()] {
        let events = history(visitor, of(&project)).await;
        assert_eq!(describe(&events), ["project created"]);
        assert_eq!(events[0].kind(), ChangeKind::Created);
    }
    let private = olga.project("private").await;
    let refusal = page(&gus, of(&private)).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let garbage = ListProjectHistoryRequest {
        project_id: "x".to_owned(),
        page_size: -1,
        parts: vec![0],
        actor_id: "x".to_owned(),
        since: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
        ..Default::default()
    };
    let refusal = page(&olga, garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["page_size", "project_id", "parts", "actor_id", "since"]);
}
