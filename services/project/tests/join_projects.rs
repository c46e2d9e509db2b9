use crate::calls::*;
use crate::harness::harness;
use proto::common::Permission;
use proto::project::v1::{AddMemberRequest, Member, ProjectRole};
use testkit::*;

#[tokio::test]
async fn an_added_member_sees_the_project() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;

    let exceptions = granting(VIEWER, Permission::TaskDelete);
    let member = add(&olga, joining_with(&project, &gus, exceptions.clone())).await.unwrap();

    assert_eq!((member.role, &member.granted_permissions), (VIEWER, &exceptions.granted_permissions));
    assert_eq!(get(&gus, &project).await.unwrap(), project);
    assert_eq!(get_member(&gus, &project, &gus).await.unwrap(), member);
}

#[tokio::test]
async fn the_default_role_is_member() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    assert_eq!(add(&olga, joining(&project, &gus, 0)).await.unwrap().role, MEMBER);
}

#[tokio::test]
async fn a_user_is_added_once() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let calls = (0..6).map(|_| add(&olga, joining(&project, &gus, VIEWER)));
    let outcomes = futures::future::join_all(calls).await;
    let refused: Vec<String> =
        outcomes.into_iter().filter_map(|one| one.err().map(|e| summary(&e))).collect();
    assert_eq!(refused, ["ALREADY_EXISTS ALREADY_EXISTS"; 5]);
    let refusal = add(&olga, joining(&project, &olga, VIEWER)).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
}

#[tokio::test]
async fn a_retry_returns_the_member() {
    let suite = harness().start().await;
    let [olga, gus, vera] = suite.guests(["olga", "gus", "vera"]).await;
    let project = olga.project("apollo").await;
    let request = AddMemberRequest { request_id: new_id(), ..joining(&project, &gus, VIEWER) };

    let (first, second) = tokio::join!(add(&olga, request.clone()), add(&olga, request.clone()));
    assert_eq!(first.unwrap(), second.unwrap());

    let other =
        AddMemberRequest { request_id: request.request_id.clone(), ..joining(&project, &vera, VIEWER) };
    let refusal = add(&olga, other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
    remove(&olga, &project, &gus).await.unwrap();
    let refusal = add(&olga, request).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn an_unknown_user_cannot_be_added() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let mut request = joining(&project, &olga, VIEWER);
    request.member.as_mut().unwrap().user_id = new_id();
    let refusal = add(&olga, request).await.unwrap_err();
    assert!(refusal.message().starts_with("user "), "{}", refusal.message());
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn add_member_requires_every_given_permission() {
    let suite = harness().start().await;
    let [olga, ada, gus] = suite.guests(["olga", "ada", "gus"]).await;
    let project = olga.project("apollo").await;
    let trimmed = denying(ADMIN, Permission::DocumentDelete);
    add(&olga, joining_with(&project, &ada, trimmed)).await.unwrap();

    let as_admin = add(&ada, joining(&project, &gus, ADMIN)).await.unwrap_err();
    let with_more = joining_with(&project, &gus, granting(VIEWER, Permission::DocumentDelete));
    for refusal in [as_admin, add(&ada, with_more).await.unwrap_err()] {
        assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
    }
    add(&ada, joining(&project, &gus, MEMBER)).await.unwrap();
}

#[tokio::test]
async fn add_member_requires_member_manage() {
    let suite = harness().start().await;
    let [olga, max, vera, gus] = suite.guests(["olga", "max", "vera", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &max, ProjectRole::Member).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    for (who, expected) in [
        (&max, "PERMISSION_DENIED PERMISSION_MISSING"),
        (&vera, "PERMISSION_DENIED PERMISSION_MISSING"),
        (&gus, "NOT_FOUND RESOURCE_NOT_FOUND"),
        (&suite.anonymous(), "UNAUTHENTICATED SESSION_REQUIRED"),
    ] {
        let refusal = add(who, joining(&project, &gus, VIEWER)).await.unwrap_err();
        assert_eq!(summary(&refusal), expected);
    }
}

#[tokio::test]
async fn members_can_be_added_to_an_archived_project() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    archive(&olga, &project, "").await.unwrap();
    olga.add(&project, &gus, ProjectRole::Viewer).await;
}

#[tokio::test]
async fn every_violation_is_reported() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let garbage = Member {
        project_id: "x".to_owned(),
        role: OWNER,
        granted_permissions: vec![99],
        denied_permissions: vec![0],
        ..Default::default()
    };
    let garbage = AddMemberRequest { request_id: "x".to_owned(), member: Some(garbage) };
    let refusal = add(&olga, garbage).await.unwrap_err();
    let expected = ["project_id", "user_id", "role", "granted_permissions[0]", "denied_permissions[0]"]
        .map(|field| format!("member.{field}"));
    let found = violations(&refusal);
    assert_eq!((found[0].as_str(), &found[1..]), ("request_id", expected.as_slice()));
    let refusal = add(&olga, AddMemberRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refusal), ["member", "member.project_id", "member.user_id"]);
}
