use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::CreateProjectRequest;
use testkit::*;

fn apollo() -> CreateProjectRequest {
    CreateProjectRequest {
        request_id: new_id(),
        project_id: new_id(),
        name: "apollo".to_owned(),
        description: Some("to the moon".to_owned()),
        visibility: PUBLIC,
        settings: flags(&[("dark", true)]),
    }
}

#[tokio::test]
async fn the_creator_owns_the_project() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let request = apollo();

    let made = olga.projects().create_project(request.clone()).await.unwrap().into_inner();

    assert_eq!((made.id.clone(), made.name.as_str()), (request.project_id, "apollo"));
    assert_eq!((made.description.clone(), made.settings.clone()), (request.description, request.settings));
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
    let request = CreateProjectRequest { project_id: String::new(), visibility: 0, ..apollo() };

    let first = olga.projects().create_project(request.clone()).await.unwrap().into_inner();
    let second = olga.projects().create_project(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, second);

    let other = CreateProjectRequest { name: "gemini".to_owned(), ..request.clone() };
    let refusal = olga.projects().create_project(other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");

    let of_gus = gus.projects().create_project(request).await.unwrap().into_inner();
    assert_ne!(of_gus.id, first.id);
}

#[tokio::test]
async fn concurrent_retries_create_one_project() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let request = CreateProjectRequest { project_id: String::new(), ..apollo() };
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
    let request = CreateProjectRequest { project_id: project.id, ..apollo() };
    let refusal = gus.projects().create_project(request).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
}

#[tokio::test]
async fn every_violation_is_reported() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let garbage = CreateProjectRequest {
        request_id: "7".to_owned(),
        project_id: "x".to_owned(),
        name: " \0".to_owned(),
        description: Some("a\0".repeat(60_000)),
        visibility: 99,
        settings: flags(&[("\0", true)]),
    };
    let refusal = olga.projects().create_project(garbage).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS");
    let mut fields = violations(&refusal);
    fields.dedup();
    assert_eq!(fields, ["request_id", "project_id", "name", "description", "visibility", "settings"]);
}

#[tokio::test]
async fn create_project_requires_a_session() {
    let suite = harness().start().await;
    let refusal = suite.anonymous().projects().create_project(apollo()).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
}
