use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::{CreateProjectRequest, Project};
use testkit::*;

fn apollo() -> Project {
    Project {
        id: new_id(),
        name: "apollo".to_owned(),
        description: Some("to the moon".to_owned()),
        visibility: PUBLIC,
        settings: flags(&[("dark", true)]),
        ..Default::default()
    }
}

fn retryable(project: Project) -> CreateProjectRequest {
    CreateProjectRequest { request_id: new_id(), project: Some(project) }
}

#[tokio::test]
async fn the_creator_owns_the_project() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let given = Project { owner_id: new_id(), status: ARCHIVED, etag: "x".to_owned(), ..apollo() };

    let made = create(&olga, given.clone()).await.unwrap();

    assert_eq!((made.id.clone(), made.name.as_str()), (given.id, "apollo"));
    assert_eq!((made.description.clone(), made.settings.clone()), (given.description, given.settings));
    assert_eq!((made.status, made.visibility), (ACTIVE, PUBLIC));
    assert_eq!(made.owner_id, olga.id.to_string());
    assert_eq!(get(&olga, &made).await.unwrap(), made);
    assert_eq!(get_member(&olga, &made, &olga).await.unwrap().role, OWNER);
}

#[tokio::test]
async fn a_project_is_private_by_default() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    assert_eq!(project.settings, flags(&[]));
    assert_eq!(project.description, None);
    assert_eq!(summary(&get(&gus, &project).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a_retry_returns_the_first_project() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let request = retryable(Project { id: String::new(), visibility: 0, ..apollo() });

    let first = olga.projects().create_project(request.clone()).await.unwrap().into_inner();
    let second = olga.projects().create_project(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, second);

    let other = Project { name: "gemini".to_owned(), ..request.project.clone().unwrap() };
    let other = CreateProjectRequest { project: Some(other), ..request.clone() };
    let refusal = olga.projects().create_project(other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");

    let of_gus = gus.projects().create_project(request).await.unwrap().into_inner();
    assert_ne!(of_gus.id, first.id);
}

#[tokio::test]
async fn concurrent_retries_create_one_project() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let request = retryable(Project { id: String::new(), ..apollo() });
    let calls = (0..8).map(|_| {
        let (mut projects, request) = (olga.projects(), request.clone());
        async move { projects.create_project(request).await.unwrap().into_inner().id }
    });
    let mut ids = futures::future::join_all(calls).await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_taken_id_is_rejected() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let refusal = create(&gus, Project { id: project.id, ..apollo() }).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
}

#[tokio::test]
async fn every_violation_is_reported() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let garbage = Project {
        id: "x".to_owned(),
        name: " \0".to_owned(),
        description: Some("a\0".repeat(60_000)),
        visibility: 99,
        settings: flags(&[("\0", true)]),
        key: "a".to_owned(),
        ..Default::default()
    };
    let garbage = CreateProjectRequest { request_id: "7".to_owned(), project: Some(garbage) };
    let refusal = olga.projects().create_project(garbage).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS");
    let mut fields = violations(&refusal);
    fields.dedup();
    let expected = ["id", "name", "description", "visibility", "settings", "key"];
    let expected = expected.map(|field| format!("project.{field}"));
    assert_eq!((fields[0].as_str(), &fields[1..]), ("request_id", expected.as_slice()));
    let nothing = CreateProjectRequest::default();
    let refusal = olga.projects().create_project(nothing).await.unwrap_err();
    assert!(violations(&refusal).starts_with(&["project".to_owned(), "project.name".to_owned()]));
    let nil = Project { id: "00000000-0000-0000-0000-000000000000".to_owned(), ..apollo() };
    assert_eq!(violations(&create(&olga, nil).await.unwrap_err()), ["project.id"]);
}

#[tokio::test]
async fn create_project_requires_a_session() {
    let suite = harness().start().await;
    let refusal = create(&suite.anonymous(), apollo()).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
}
