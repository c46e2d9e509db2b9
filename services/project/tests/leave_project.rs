use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::{LeaveProjectRequest, ProjectRole};
use testkit::*;

#[tokio::test]
async fn every_member_but_the_owner_may_leave() {
    let suite = harness().start().await;
    let [olga, ada, vera] = suite.guests(["olga", "ada", "vera"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    archive(&olga, &project, "").await.unwrap();
    for who in [&ada, &vera] {
        leave(who, &project).await.unwrap();
        assert_eq!(summary(&get(who, &project).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
        let again = leave(who, &project).await.unwrap_err();
        assert_eq!(summary(&again), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_owner_may_leave_after_a_transfer() {
    let suite = harness().start().await;
    let [olga, ada] = suite.guests(["olga", "ada"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Viewer).await;
    let refusal = leave(&olga, &project).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION OWNER_REQUIRED");

    let offered = offer(&olga, offering(&project, &ada)).await.unwrap();
    accept(&ada, &offered, "").await.unwrap();
    leave(&olga, &project).await.unwrap();
    assert_eq!(get(&ada, &project).await.unwrap().owner_id, ada.id.to_string());
}

#[tokio::test]
async fn a_visitor_cannot_leave() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = project_seen_by(&olga, "apollo", PUBLIC).await;
    let refusal = leave(&gus, &project).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let refusal = leave(&suite.anonymous(), &project).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
    let garbage = LeaveProjectRequest { project_id: "x".to_owned() };
    let refusal = gus.members().leave_project(garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id"]);
}
