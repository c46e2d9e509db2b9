use crate::calls::*;
use crate::harness::harness;
use proto::common::Permission;
use proto::project::v1::{GetEffectivePermissionsRequest, GetProjectRequest, Member, ProjectRole};
use testkit::*;

#[tokio::test]
async fn visibility_decides_who_reads_a_project() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let nobody = suite.anonymous();
    let private = olga.project("private").await;
    let internal = project_seen_by(&olga, "internal", INTERNAL).await;
    let public = project_seen_by(&olga, "public", PUBLIC).await;

    let mut seen = Vec::new();
    for who in [&olga, &gus, &nobody] {
        for project in [&private, &internal, &public] {
            seen.push(get(who, project).await.map(|found| assert_eq!(&found, project)).is_ok());
        }
    }
    assert_eq!(seen, [true, true, true, false, true, true, false, false, true]);
    assert_eq!(summary(&get(&nobody, &internal).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a_hidden_project_looks_like_a_missing_one() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let hidden = get(&gus, &olga.project("apollo").await).await.unwrap_err();
    let request = GetProjectRequest { project_id: new_id() };
    let missing = gus.projects().get_project(request).await.unwrap_err();
    assert_eq!((summary(&hidden), hidden.message().len()), (summary(&missing), missing.message().len()));
}

#[tokio::test]
async fn a_malformed_id_is_rejected() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    for project_id in ["", "x", "0190163d8694739baea5966c26f8ad91"] {
        let request = GetProjectRequest { project_id: project_id.to_owned() };
        let refusal = olga.projects().get_project(request).await.unwrap_err();
        assert_eq!(violations(&refusal), ["project_id"]);
        let request = GetEffectivePermissionsRequest { project_id: project_id.to_owned() };
        let refusal = olga.projects().get_effective_permissions(request).await.unwrap_err();
        assert_eq!(violations(&refusal), ["project_id"]);
    }
}

#[tokio::test]
async fn permissions_follow_role_and_exceptions() {
    let suite = harness().start().await;
    let [olga, gus, vera] = suite.guests(["olga", "gus", "vera"]).await;
    let project = project_seen_by(&olga, "apollo", PUBLIC).await;
    let exceptions = Member {
        denied_permissions: vec![Permission::DocumentWrite.into()],
        ..granting(MEMBER, Permission::TaskDelete)
    };
    add(&olga, joining_with(&project, &gus, exceptions)).await.unwrap();

    let owner = permissions(&olga, &project).await.unwrap();
    assert_eq!((owner.role(), owner.permissions.len()), (ProjectRole::Owner, 22));
    let member = permissions(&gus, &project).await.unwrap();
    assert_eq!(member.role(), ProjectRole::Member);
    assert!(member.permissions().any(|permission| permission == Permission::TaskDelete));
    assert!(!member.permissions().any(|permission| permission == Permission::DocumentWrite));
    for visitor in [&vera, &suite.anonymous()] {
        let visitor = permissions(visitor, &project).await.unwrap();
        assert_eq!((visitor.role(), visitor.permissions.len()), (ProjectRole::Unspecified, 5));
    }
}

#[tokio::test]
async fn permissions_of_a_hidden_project_are_not_found() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let refusal = permissions(&gus, &olga.project("apollo").await).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn archiving_suspends_write_permissions() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = project_seen_by(&olga, "apollo", PUBLIC).await;
    add(&olga, joining(&project, &gus, MEMBER)).await.unwrap();
    let before = permissions(&gus, &project).await.unwrap();
    assert!(before.suspended_permissions.is_empty());

    archive(&olga, &project, "").await.unwrap();

    let after = permissions(&gus, &project).await.unwrap();
    assert!(!after.permissions().any(|permission| permission == Permission::TaskWrite));
    assert!(after.suspended_permissions().any(|permission| permission == Permission::TaskWrite));
    let mut all = [after.permissions.clone(), after.suspended_permissions.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, before.permissions);
    let visitor = permissions(&suite.anonymous(), &project).await.unwrap();
    assert_eq!((visitor.permissions.len(), visitor.suspended_permissions.len()), (5, 0));
}
