use crate::actions::*;
use crate::harness::harness;
use proto::project::v1::{Member, Project, ProjectRole, RemoveMemberRequest, UpdateMemberRequest};
use testkit::*;

/// A project with its owner, two admins and a viewer.
struct Crew {
    suite: Suite,
    olga: Actor,
    ada: Actor,
    abe: Actor,
    vera: Actor,
    project: Project,
}

async fn crew() -> Crew {
    let suite = harness().start().await;
    let [olga, ada, abe, vera] = suite.guests(["olga", "ada", "abe", "vera"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    olga.add(&project, &abe, ProjectRole::Admin).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    Crew { suite, olga, ada, abe, vera, project }
}

#[tokio::test]
async fn an_admin_changes_role_and_permissions() {
    let Crew { ada, vera, project, suite: _suite, .. } = crew().await;
    let member = get_member(&ada, &project, &vera).await.unwrap();
    let wish = Member { role: MEMBER, permissions: flags(&[("task_delete", true)]), ..member.clone() };

    let changed = update_member(&ada, wish.clone(), &["role"]).await.unwrap();
    assert_eq!((changed.role, &changed.permissions), (MEMBER, &member.permissions));
    let again = Member { etag: changed.etag.clone(), ..wish.clone() };
    let changed = update_member(&ada, again, &["permissions"]).await.unwrap();
    assert_eq!((changed.role, &changed.permissions), (MEMBER, &wish.permissions));

    let refusal = update_member(&ada, wish, &["role"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
    let nothing = Member { role: VIEWER, ..changed.clone() };
    assert_eq!(update_member(&ada, nothing, &[]).await.unwrap(), changed);
}

#[tokio::test]
async fn the_owner_stays() {
    let Crew { suite: _suite, olga, ada, project, .. } = crew().await;
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
async fn nobody_becomes_owner() {
    let Crew { suite: _suite, olga, ada, project, .. } = crew().await;
    let admin = get_member(&olga, &project, &ada).await.unwrap();
    let refusal = update_member(&olga, Member { role: OWNER, ..admin }, &["role"]).await.unwrap_err();
    assert_eq!(violations(&refusal), ["member.role"]);
}

#[tokio::test]
async fn nobody_decides_on_more_than_they_have() {
    let Crew { suite: _suite, olga, ada, abe, vera, project } = crew().await;
    let trimmed = get_member(&olga, &project, &ada).await.unwrap();
    let trimmed = Member { permissions: flags(&[("attachment_delete", false)]), ..trimmed };
    update_member(&olga, trimmed.clone(), &["permissions"]).await.unwrap();

    let of_abe = get_member(&olga, &project, &abe).await.unwrap();
    let of_vera = get_member(&olga, &project, &vera).await.unwrap();
    let herself = Member { permissions: None, etag: String::new(), ..trimmed };
    for refusal in [
        update_member(&ada, Member { role: VIEWER, ..of_abe }, &["role"]).await.unwrap_err(),
        update_member(&ada, Member { role: ADMIN, ..of_vera }, &["role"]).await.unwrap_err(),
        update_member(&ada, herself, &["permissions"]).await.unwrap_err(),
        remove(&ada, &project, &abe).await.unwrap_err(),
    ] {
        assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
    }
    remove(&ada, &project, &vera).await.unwrap();
}

#[tokio::test]
async fn whoever_wants_to_leave_may() {
    let Crew { suite: _suite, vera, ada, project, .. } = crew().await;
    let refusal = remove(&vera, &project, &ada).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");

    remove(&vera, &project, &vera).await.unwrap();
    assert_eq!(summary(&get(&vera, &project).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    let refusal = remove(&ada, &project, &vera).await.unwrap_err();
    assert_eq!(refusal.message(), format!("member {} not found", vera.id));
}

#[tokio::test]
async fn of_two_admins_who_remove_each_other_one_stays() {
    let Crew { suite: _suite, olga, ada, abe, project, .. } = crew().await;
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
async fn strangers_change_nobody() {
    let Crew { suite, ada, vera, project, .. } = crew().await;
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
async fn all_that_is_wrong_is_named() {
    let Crew { suite: _suite, olga, .. } = crew().await;
    let garbage = Member { role: 9, permissions: flags(&[("project_delete", true)]), ..Default::default() };
    let refusal = update_member(&olga, garbage, &["joined_at", "role", "permissions"]).await.unwrap_err();
    let expected =
        ["update_mask", "member.project_id", "member.user_id", "member.role", "member.permissions"];
    assert_eq!(violations(&refusal), expected);
    let refusal = olga.members().update_member(UpdateMemberRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refusal), ["member", "member.project_id", "member.user_id"]);
    let refusal = olga.members().remove_member(RemoveMemberRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id", "user_id"]);
}
