use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::{Project, ProjectRole, UpdateProjectRequest};
use testkit::*;

#[tokio::test]
async fn update_project_changes_only_masked_fields() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let input = Project {
        name: "gemini".to_owned(),
        description: Some("two seats".to_owned()),
        visibility: PUBLIC,
        settings: flags(&[("dark", true)]),
        ..project.clone()
    };

    let changed = update(&olga, input.clone(), &["description", "settings"]).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.visibility), ("apollo", project.visibility));
    assert_eq!((&changed.description, &changed.settings), (&input.description, &input.settings));
    assert_ne!(changed.etag, project.etag);
    assert!(changed.updated_at.unwrap().nanos != project.updated_at.unwrap().nanos);

    let again = Project { etag: changed.etag, description: None, ..input };
    let changed = update(&olga, again, &["name", "description", "visibility"]).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.visibility), ("gemini", PUBLIC));
    assert_eq!(changed.description, None);
    assert_eq!(get(&olga, &changed).await.unwrap(), changed);
}

#[tokio::test]
async fn an_empty_mask_changes_nothing() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let input = Project { name: "gemini".to_owned(), ..project.clone() };
    assert_eq!(update(&olga, input, &[]).await.unwrap(), project);
}

#[tokio::test]
async fn of_two_updates_with_the_same_etag_one_succeeds() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let one = Project { name: "one".to_owned(), ..project.clone() };
    let two = Project { name: "two".to_owned(), ..project.clone() };

    let (one, two) = tokio::join!(update(&olga, one, &["name"]), update(&olga, two, &["name"]));
    let refusal = one.clone().err().or(two.clone().err()).unwrap();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
    let winner = one.or(two).unwrap();
    assert_eq!(get(&olga, &project).await.unwrap(), winner);
}

#[tokio::test]
async fn a_stale_etag_aborts_every_change() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let stale = "\"00000001\"";
    for refusal in [
        update(&olga, Project { etag: stale.to_owned(), ..project.clone() }, &["name"]).await.unwrap_err(),
        archive(&olga, &project, stale).await.unwrap_err(),
        delete(&olga, &project, stale).await.unwrap_err(),
    ] {
        assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
    }
    assert_eq!(get(&olga, &project).await.unwrap(), project);
}

#[tokio::test]
async fn update_archive_and_delete_require_their_permissions() {
    let suite = harness().start().await;
    let [olga, ada, max, vera, gus] = suite.guests(["olga", "ada", "max", "vera", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    olga.add(&project, &max, ProjectRole::Member).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;

    for who in [&max, &vera, &gus] {
        let expected = if who.id == gus.id {
            "NOT_FOUND RESOURCE_NOT_FOUND"
        } else {
            "PERMISSION_DENIED PERMISSION_MISSING"
        };
        for refusal in [
            update(who, Project { name: "x".to_owned(), ..project.clone() }, &["name"]).await.unwrap_err(),
            archive(who, &project, "").await.unwrap_err(),
            reopen(who, &project, "").await.unwrap_err(),
            delete(who, &project, "").await.unwrap_err(),
        ] {
            assert_eq!(summary(&refusal), expected);
        }
    }
    update(&ada, Project { name: "by ada".to_owned(), ..project.clone() }, &["name"]).await.unwrap();
    archive(&ada, &project, "").await.unwrap();
    let refusal = delete(&ada, &project, "").await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
}

#[tokio::test]
async fn a_visitor_cannot_change_a_public_project() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = project_seen_by(&olga, "apollo", PUBLIC).await;
    for refusal in [
        update(&gus, project.clone(), &["name"]).await.unwrap_err(),
        archive(&gus, &project, "").await.unwrap_err(),
        delete(&gus, &project, "").await.unwrap_err(),
    ] {
        assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
    }
    let refusal = update(&suite.anonymous(), project, &["name"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
}

#[tokio::test]
async fn an_archived_project_is_read_only_until_it_is_reopened() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;

    let archived = archive(&olga, &project, &project.etag).await.unwrap();
    assert_eq!(archived.status, ARCHIVED);
    assert!(archived.archived_at.is_some());
    assert_eq!(archive(&olga, &project, &project.etag).await.unwrap(), archived);

    let input = Project { name: "gemini".to_owned(), etag: String::new(), ..project.clone() };
    let refusal = update(&olga, input.clone(), &["name"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION PROJECT_READ_ONLY");

    let reopened = reopen(&olga, &project, &archived.etag).await.unwrap();
    assert_eq!((reopened.status, reopened.archived_at), (ACTIVE, None));
    assert_eq!(reopen(&olga, &project, "").await.unwrap(), reopened);
    assert_eq!(update(&olga, input, &["name"]).await.unwrap().name, "gemini");
}

#[tokio::test]
async fn every_violation_is_reported() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let garbage = Project {
        id: "x".to_owned(),
        name: "n".repeat(256),
        description: Some("\0".to_owned()),
        visibility: -1,
        settings: flags(&[("\0", true)]),
        ..Default::default()
    };
    let paths = ["owner_id", "name", "description", "visibility", "settings"];
    let refusal = update(&olga, garbage, &paths).await.unwrap_err();
    let fields = violations(&refusal);
    assert_eq!(fields[0], "update_mask");
    let named =
        ["id", "name", "description", "visibility", "settings"].map(|field| format!("project.{field}"));
    assert_eq!(fields[1..], named);

    let nothing = UpdateProjectRequest::default();
    let refusal = olga.projects().update_project(nothing).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project", "project.id"]);
}
