use crate::calls::*;
use crate::harness::harness;
use proto::common::Permission;
use proto::project::v1::{
    AddMemberRequest, Member, Project, ProjectRole, RemoveMemberRequest, UpdateMemberRequest,
};
use testkit::*;

/// A project with its owner, two admins and a viewer.
struct Team {
    suite: Suite,
    olga: Actor,
    ada: Actor,
    abe: Actor,
    vera: Actor,
    project: Project,
}

async fn team() -> Team {
    let suite = harness().start().await;
    let [olga, ada, abe, vera] = suite.guests(["olga", "ada", "abe", "vera"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    olga.add(&project, &abe, ProjectRole::Admin).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    Team { suite, olga, ada, abe, vera, project }
}

#[tokio::test]
async fn an_admin_updates_role_and_permissions() {
    let Team { ada, vera, project, suite: _suite, .. } = team().await;
    let member = get_member(&ada, &project, &vera).await.unwrap();
    let granted = vec![Permission::TaskDelete.into(), Permission::DocumentDelete.into()];
    let input = Member { role: MEMBER, granted_permissions: granted, ..member.clone() };

    let changed = update_member(&ada, input.clone(), &["role"]).await.unwrap();
    assert_eq!((changed.role, &changed.granted_permissions), (MEMBER, &member.granted_permissions));
    let again = Member { etag: changed.etag.clone(), ..input.clone() };
    let changed = update_member(&ada, again, &["granted_permissions"]).await.unwrap();
    assert_eq!(changed.role, MEMBER);
    let in_order = [Permission::TaskDelete, Permission::DocumentDelete].map(i32::from);
    assert_eq!(changed.granted_permissions, in_order, "in the order of the enum");

    let refusal = update_member(&ada, input, &["role"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
}

#[tokio::test]
async fn each_list_of_permissions_is_replaced_on_its_own() {
    let Team { ada, vera, project, suite: _suite, .. } = team().await;
    let ids = Member { project_id: project.id.clone(), user_id: vera.id.to_string(), ..Member::default() };
    let (granted, denied) = (vec![Permission::TaskWrite.into()], vec![Permission::TaskRead.into()]);
    let both =
        Member { granted_permissions: granted.clone(), denied_permissions: denied.clone(), ..ids.clone() };
    let changed = update_member(&ada, both, &[]).await.unwrap();
    assert_eq!((&changed.granted_permissions, &changed.denied_permissions), (&granted, &denied));
    assert_eq!(changed.role, VIEWER, "without a mask, only populated fields change");

    let changed = update_member(&ada, ids.clone(), &["granted_permissions"]).await.unwrap();
    assert_eq!(
        (changed.granted_permissions.as_slice(), &changed.denied_permissions),
        ([].as_slice(), &denied)
    );
    let contradicting = Member { granted_permissions: denied, ..ids.clone() };
    let refusal = update_member(&ada, contradicting, &["grantedPermissions"]).await.unwrap_err();
    assert_eq!(violations(&refusal), ["member.denied_permissions"]);
    let cleared = update_member(&ada, ids, &["*"]).await.unwrap();
    assert_eq!((cleared.role, cleared.denied_permissions.len()), (MEMBER, 0), "`*` clears what is not given");
}

#[tokio::test]
async fn an_update_without_populated_fields_changes_nothing() {
    let Team { ada, vera, project, suite: _suite, .. } = team().await;
    let member = get_member(&ada, &project, &vera).await.unwrap();
    let nothing = Member { role: 0, ..member.clone() };
    assert_eq!(update_member(&ada, nothing.clone(), &[]).await.unwrap(), member);
    let stale = Member { etag: "\"00000001\"".to_owned(), ..nothing };
    let refusal = update_member(&ada, stale, &[]).await.unwrap_err();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
}

#[tokio::test]
async fn a_stale_etag_aborts_a_removal() {
    let Team { ada, vera, project, suite: _suite, .. } = team().await;
    let member = get_member(&ada, &project, &vera).await.unwrap();
    update_member(&ada, Member { role: MEMBER, ..member.clone() }, &["role"]).await.unwrap();
    let mut request = RemoveMemberRequest {
        project_id: project.id.clone(),
        user_id: vera.id.to_string(),
        etag: member.etag,
    };
    let refusal = ada.members().remove_member(request.clone()).await.unwrap_err();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
    request.etag = get_member(&ada, &project, &vera).await.unwrap().etag;
    ada.members().remove_member(request).await.unwrap();
}

#[tokio::test]
async fn the_owner_cannot_be_changed_or_removed() {
    let Team { suite: _suite, olga, ada, project, .. } = team().await;
    let owner = get_member(&ada, &project, &olga).await.unwrap();
    for refusal in [
        update_member(&ada, Member { role: VIEWER, ..owner.clone() }, &["role"]).await.unwrap_err(),
        update_member(&olga, Member { role: VIEWER, ..owner.clone() }, &["role"]).await.unwrap_err(),
        remove(&ada, &project, &olga).await.unwrap_err(),
        remove(&olga, &project, &olga).await.unwrap_err(),
    ] {
        assert_eq!(summary(&refusal), "FAILED_PRECONDITION OWNER_REQUIRED");
    }
    assert_eq!(get_member(&ada, &project, &olga).await.unwrap(), owner);
}

#[tokio::test]
async fn update_member_cannot_make_an_owner() {
    let Team { suite: _suite, olga, ada, project, .. } = team().await;
    let admin = get_member(&olga, &project, &ada).await.unwrap();
    let refusal = update_member(&olga, Member { role: OWNER, ..admin }, &["role"]).await.unwrap_err();
    assert_eq!(violations(&refusal), ["member.role"]);
}

#[tokio::test]
async fn update_and_remove_require_every_permission_of_the_member() {
    let Team { suite: _suite, olga, ada, abe, vera, project } = team().await;
    let trimmed = get_member(&olga, &project, &ada).await.unwrap();
    let trimmed = Member { denied_permissions: vec![Permission::AttachmentDelete.into()], ..trimmed };
    update_member(&olga, trimmed.clone(), &["denied_permissions"]).await.unwrap();

    let of_abe = get_member(&olga, &project, &abe).await.unwrap();
    let of_vera = get_member(&olga, &project, &vera).await.unwrap();
    let herself = Member { denied_permissions: Vec::new(), etag: String::new(), ..trimmed };
    for refusal in [
        update_member(&ada, Member { role: VIEWER, ..of_abe }, &["role"]).await.unwrap_err(),
        update_member(&ada, Member { role: ADMIN, ..of_vera }, &["role"]).await.unwrap_err(),
        update_member(&ada, herself, &["denied_permissions"]).await.unwrap_err(),
        remove(&ada, &project, &abe).await.unwrap_err(),
    ] {
        assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
    }
    remove(&ada, &project, &vera).await.unwrap();
}

#[tokio::test]
async fn an_admin_who_may_not_read_members_gets_none_as_an_answer() {
    let Team { olga, ada, vera, project, suite, .. } = team().await;
    let [gus] = suite.guests(["gus"]).await;
    let member = |who: &Actor| Member {
        project_id: project.id.clone(),
        user_id: who.id.to_string(),
        role: VIEWER,
        ..Member::default()
    };
    let add = AddMemberRequest { request_id: new_id(), member: Some(member(&gus)) };
    ada.members().add_member(add.clone()).await.unwrap();
    let denied = Member { denied_permissions: vec![Permission::MemberRead.into()], ..member(&ada) };
    update_member(&olga, denied, &["denied_permissions"]).await.unwrap();

    let retry = ada.members().add_member(add).await.unwrap_err();
    let update = update_member(&ada, Member { role: 0, ..member(&vera) }, &[]).await.unwrap_err();

    for refusal in [retry, update] {
        assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
    }
}

#[tokio::test]
async fn a_member_may_remove_themselves() {
    let Team { suite: _suite, vera, ada, project, .. } = team().await;
    let refusal = remove(&vera, &project, &ada).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");

    remove(&vera, &project, &vera).await.unwrap();
    assert_eq!(summary(&get(&vera, &project).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    let refusal = remove(&ada, &project, &vera).await.unwrap_err();
    assert_eq!(refusal.message(), format!("member {} not found", vera.id));
}

#[tokio::test]
async fn of_two_admins_who_remove_each_other_one_stays() {
    let Team { suite: _suite, olga, ada, abe, project, .. } = team().await;
    for _ in 0..5 {
        let (one, two) = tokio::join!(remove(&ada, &project, &abe), remove(&abe, &project, &ada));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let refusal = one.err().or(two.err()).unwrap();
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
        let gone = if get(&ada, &project).await.is_ok() { &abe } else { &ada };
        olga.add(&project, gone, ProjectRole::Admin).await;
    }
}

#[tokio::test]
async fn a_stranger_cannot_change_members() {
    let Team { suite, ada, vera, project, .. } = team().await;
    let gus = suite.guest("gus").await;
    let member = get_member(&ada, &project, &vera).await.unwrap();
    for refusal in [
        update_member(&gus, member.clone(), &["role"]).await.unwrap_err(),
        remove(&gus, &project, &vera).await.unwrap_err(),
        remove(&gus, &project, &gus).await.unwrap_err(),
    ] {
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let refusal = update_member(&vera, member, &["role"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
}

#[tokio::test]
async fn every_violation_is_reported() {
    let Team { suite: _suite, olga, .. } = team().await;
    let garbage = Member {
        role: 9,
        granted_permissions: vec![Permission::ProjectDelete.into()],
        denied_permissions: vec![Permission::TaskRead.into(), Permission::TaskRead.into()],
        ..Default::default()
    };
    let refusal = update_member(&olga, garbage, &["joined_at", "role"]).await.unwrap_err();
    let expected = [
        "update_mask",
        "member.project_id",
        "member.user_id",
        "member.role",
        "member.granted_permissions[0]",
        "member.denied_permissions",
    ];
    assert_eq!(violations(&refusal), expected);
    let refusal = olga.members().update_member(UpdateMemberRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refusal), ["member", "member.project_id", "member.user_id"]);
    let refusal = olga.members().remove_member(RemoveMemberRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id", "user_id"]);
}
