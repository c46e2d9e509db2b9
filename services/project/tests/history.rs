//! The history of a project.

use crate::calls::*;
use crate::harness::harness;
use crate::watcher::{change_of, describe};
use proto::common::{ChangeKind, ResourceType, TimeRange};
use proto::project::v1::project_event::Resource;
use proto::project::v1::{
    ListProjectHistoryRequest, ListProjectHistoryResponse, Project, ProjectEvent, ProjectEventFilter,
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

/// Resource and kind of each event.
fn kinds(events: &[ProjectEvent]) -> Vec<String> {
    let short = |event: String| event.split(' ').take(2).collect::<Vec<_>>().join(" ");
    describe(events).into_iter().map(short).collect()
}

fn filtered(project: &Project, filter: ProjectEventFilter) -> ListProjectHistoryRequest {
    ListProjectHistoryRequest { filter: Some(filter), ..of(project) }
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
    assert_eq!(kinds(&events), expected);
    assert_eq!(change_of(&events[0]).actor_id, ada.id.to_string());
    assert_eq!(change_of(&events[0]).changed_fields, ["name", "updated_at"]);
    let Some(Resource::Project(change)) = &events[0].resource else { panic!("{events:?}") };
    assert_eq!((change.before.as_ref().unwrap().name.as_str(), &change.after), ("apollo", &Some(renamed)));
    let Some(Resource::Project(change)) = &events[3].resource else { panic!("{events:?}") };
    assert_eq!((&change.before, &change.after), (&None, &Some(project)));
    assert!(change_of(&events[3]).changed_fields.is_empty());
}

#[tokio::test]
async fn history_is_filtered_and_paged() {
    let suite = harness().start().await;
    let [olga, ada] = suite.guests(["olga", "ada"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    complete(&ada, &project, "").await.unwrap();
    reopen(&olga, &project, "").await.unwrap();

    let by_ada = ProjectEventFilter { actor_id: ada.id.to_string(), ..Default::default() };
    assert_eq!(kinds(&history(&olga, filtered(&project, by_ada)).await), ["project updated"]);
    let members =
        ProjectEventFilter { resource_types: vec![ResourceType::Member.into()], ..Default::default() };
    assert_eq!(kinds(&history(&olga, filtered(&project, members)).await), ["member created"; 2]);
    let created = ProjectEventFilter { kinds: vec![ChangeKind::Created.into()], ..Default::default() };
    let expected = ["member created", "member created", "project created"];
    assert_eq!(kinds(&history(&olga, filtered(&project, created)).await), expected);
    let all = history(&olga, of(&project)).await;
    let middle = change_of(&all[1]).changed_at;
    let made_in = |start_time, end_time| ListProjectHistoryRequest {
        changed_at: Some(TimeRange { start_time, end_time }),
        ..of(&project)
    };
    assert_eq!(history(&olga, made_in(middle, None)).await, all[..2]);
    assert_eq!(history(&olga, made_in(None, middle)).await, all[2..]);

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
    invite(&olga, inviting(&project, "max@example.org", 0)).await.unwrap();

    let to_olga = history(&olga, of(&project)).await;
    let expected = ["invitation created", "member created", "member created", "project created"];
    assert_eq!(kinds(&to_olga), expected);
    assert_eq!(kinds(&history(&vera, of(&project)).await), expected[1..]);
    for visitor in [&gus, &suite.anonymous()] {
        let events = history(visitor, of(&project)).await;
        assert_eq!(kinds(&events), ["project created"]);
        assert_eq!(change_of(&events[0]).kind(), ChangeKind::Created);
    }
    let private = olga.project("private").await;
    let refusal = page(&gus, of(&private)).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let garbage = ListProjectHistoryRequest {
        project_id: "x".to_owned(),
        page_size: -1,
        filter: Some(ProjectEventFilter {
            kinds: vec![0],
            resource_types: vec![ResourceType::Task.into()],
            actor_id: "x".to_owned(),
        }),
        changed_at: Some(TimeRange::default()),
        ..Default::default()
    };
    let refusal = page(&olga, garbage).await.unwrap_err();
    assert_eq!(
        violations(&refusal),
        [
            "page_size",
            "project_id",
            "filter.kinds[0]",
            "filter.resource_types[0]",
            "filter.actor_id",
            "changed_at",
        ]
    );
}

/// Descriptions so long that a full page of them would exceed the largest message.
#[tokio::test]
async fn a_page_of_long_changes_ends_early() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let statement = format!(
        "DO $$ BEGIN FOR n IN 1..20 LOOP UPDATE project.projects \
         SET description = n || repeat(' long', 19999) WHERE id = '{}'; END LOOP; END $$",
        project.id
    );
    suite.execute(&statement).await;
    let mut request = of(&project);
    let mut pages = Vec::new();
    loop {
        let next = page(&olga, request.clone()).await.unwrap();
        pages.push(next.events.len());
        request.page_token = next.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(pages.len() > 1, "{pages:?}");
    assert_eq!(pages.iter().sum::<usize>(), 22, "{pages:?}");
}
