use crate::actions::*;
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
async fn olga_owns_what_she_makes() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let asked = apollo();

    let made = olga.projects().create_project(asked.clone()).await.unwrap().into_inner();

    assert_eq!((made.id.clone(), made.name.as_str()), (asked.project_id, "apollo"));
    assert_eq!((made.description.clone(), made.settings.clone()), (asked.description, asked.settings));
    assert_eq!((made.status, made.visibility), (ACTIVE, PUBLIC));
    assert_eq!(made.owner_id, olga.id.to_string());
    assert_eq!(get(&olga, &made).await.unwrap(), made);
    assert_eq!(get_member(&olga, &made, &olga).await.unwrap().role, OWNER);
}

#[tokio::test]
async fn a_project_is_private_if_nothing_else_is_said() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    assert_eq!(project.settings, flags(&[]));
    assert_eq!(project.description, None);
    assert_eq!(summary(&get(&gus, &project).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a_retry_finds_what_the_first_call_made() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let asked = CreateProjectRequest { project_id: String::new(), visibility: 0, ..apollo() };

    let first = olga.projects().create_project(asked.clone()).await.unwrap().into_inner();
    let second = olga.projects().create_project(asked.clone()).await.unwrap().into_inner();
    assert_eq!(first, second);

    let other = CreateProjectRequest { name: "gemini".to_owned(), ..asked.clone() };
    let refusal = olga.projects().create_project(other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");

    let of_gus = gus.projects().create_project(asked).await.unwrap().into_inner();
    assert_ne!(of_gus.id, first.id);
}

#[tokio::test]
async fn many_retries_at_once_make_one_project() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let asked = CreateProjectRequest { project_id: String::new(), ..apollo() };
    let calls = (0..8).map(|_| {
        let (mut projects, asked) = (olga.projects(), asked.clone());
        async move { projects.create_project(asked).await.unwrap().into_inner().id }
    });
    let mut ids = futures::future::join_all(calls).await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn an_id_is_given_once() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let asked = CreateProjectRequest { project_id: project.id, ..apollo() };
    let refusal = gus.projects().create_project(asked).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
}

#[tokio::test]
async fn all_that_is_wrong_is_named() {
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
async fn somebody_without_a_session_makes_nothing() {
    let suite = harness().start().await;
    let refusal = suite.anonymous().projects().create_project(apollo()).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
}
