use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::{Project, ProjectRole};
use testkit::*;
use tonic::Status;

async fn by(verb: &str, who: &Actor, project: &Project, etag: &str) -> Result<Project, Status> {
    match verb {
        "complete" => complete(who, project, etag).await,
        "cancel" => cancel(who, project, etag).await,
        "archive" => archive(who, project, etag).await,
        _ => reopen(who, project, etag).await,
    }
}

const VERBS: [&str; 4] = ["complete", "cancel", "archive", "reopen"];

/// The table of `ProjectStatus` in the proto.
#[tokio::test]
async fn every_transition_has_the_documented_target() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let refused = "FAILED_PRECONDITION INVALID_STATUS_TRANSITION";
    for (begin, expected) in [
        ("reopen", [Ok(COMPLETED), Ok(CANCELLED), Ok(ARCHIVED), Ok(ACTIVE)]),
        ("complete", [Ok(COMPLETED), Err(refused), Ok(ARCHIVED), Ok(ACTIVE)]),
        ("cancel", [Err(refused), Ok(CANCELLED), Ok(ARCHIVED), Ok(ACTIVE)]),
        ("archive", [Err(refused), Err(refused), Ok(ARCHIVED), Ok(ACTIVE)]),
    ] {
        for (verb, expected) in VERBS.into_iter().zip(expected) {
            let project = by(begin, &olga, &olga.project("apollo").await, "").await.unwrap();
            let outcome = by(verb, &olga, &project, &project.etag).await;
            let found = outcome.as_ref().map(|project| project.status).map_err(summary);
            assert_eq!(found, expected.map_err(str::to_owned), "{begin}, then {verb}");
            let left = get(&olga, &project).await.unwrap();
            assert_eq!(left, outcome.unwrap_or(project));
            assert_eq!(left.archived_at.is_some(), left.status == ARCHIVED);
        }
    }
}

#[tokio::test]
async fn a_repeated_transition_succeeds_with_any_etag() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    for verb in ["complete", "cancel", "archive"] {
        let project = olga.project("apollo").await;
        let first = by(verb, &olga, &project, &project.etag).await.unwrap();
        assert_eq!(by(verb, &olga, &project, &project.etag).await.unwrap(), first, "{verb}");
    }
}

#[tokio::test]
async fn a_stale_etag_aborts_every_transition() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    for verb in ["complete", "cancel", "archive"] {
        let refusal = by(verb, &olga, &project, "\"00000001\"").await.unwrap_err();
        assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH", "{verb}");
    }
    let archived = archive(&olga, &project, "").await.unwrap();
    let refusal = reopen(&olga, &archived, &project.etag).await.unwrap_err();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
}

#[tokio::test]
async fn transitions_require_project_archive() {
    let suite = harness().start().await;
    let [olga, ada, max, vera, gus] = suite.guests(["olga", "ada", "max", "vera", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    olga.add(&project, &max, ProjectRole::Member).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    for verb in VERBS {
        for (who, expected) in [
            (&max, "PERMISSION_DENIED PERMISSION_MISSING"),
            (&vera, "PERMISSION_DENIED PERMISSION_MISSING"),
            (&gus, "NOT_FOUND RESOURCE_NOT_FOUND"),
            (&suite.anonymous(), "UNAUTHENTICATED SESSION_REQUIRED"),
        ] {
            assert_eq!(summary(&by(verb, who, &project, "").await.unwrap_err()), expected, "{verb}");
        }
        by("reopen", &olga, &project, "").await.unwrap();
        by(verb, &ada, &project, "").await.unwrap();
    }
}

#[tokio::test]
async fn a_completed_project_can_be_updated() {
    let suite = harness().with_program("task").start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let completed = complete(&olga, &project, "").await.unwrap();
    let renamed = Project { name: "apollo, done".to_owned(), ..completed };
    assert_eq!(update(&olga, renamed, &["name"]).await.unwrap().status, COMPLETED);
    olga.task(&project, "clean up").await;
}

#[tokio::test]
async fn a_malformed_id_is_rejected() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let nowhere = Project { id: "x".to_owned(), ..Default::default() };
    for verb in VERBS {
        let refusal = by(verb, &olga, &nowhere, "").await.unwrap_err();
        assert_eq!(violations(&refusal), ["project_id"], "{verb}");
    }
}
