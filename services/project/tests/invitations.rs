use crate::calls::*;
use crate::fixtures::{Team, team};
use proto::common::Permission;
use proto::project::v1::{
    CreateInvitationRequest, Invitation, ListInvitationsRequest, Member, OfferStatus,
    WithdrawInvitationRequest,
};
use testkit::*;
use tonic::Status;

const CLOSED: &str = "FAILED_PRECONDITION OFFER_CLOSED";
const GONE: &str = "NOT_FOUND RESOURCE_NOT_FOUND";
const DENIED: &str = "PERMISSION_DENIED PERMISSION_MISSING";

async fn revoke(who: &Actor, invitation: &Invitation, etag: &str) -> Result<Invitation, Status> {
    let request = WithdrawInvitationRequest {
        project_id: invitation.project_id.clone(),
        invitation_id: invitation.id.clone(),
        etag: etag.to_owned(),
    };
    Ok(who.members().withdraw_invitation(request).await?.into_inner())
}

async fn list(who: &Actor, request: ListInvitationsRequest) -> Result<Vec<Invitation>, Status> {
    Ok(who.members().list_invitations(request).await?.into_inner().invitations)
}

async fn sql(suite: &Suite, statement: &str) {
    suite.execute(statement).await;
}

#[tokio::test]
async fn the_bearer_of_a_mailed_token_becomes_a_member() {
    let Team { suite, ada, gus, project, .. } = team().await;
    let exceptions = Invitation {
        role: VIEWER,
        granted_permissions: vec![Permission::TaskDelete.into()],
        ..Default::default()
    };
    let request = inviting_with(&project, " Gus@Example.org ", exceptions.clone());
    let invited = invite(&ada, request).await.unwrap();
    assert_eq!((invited.email.as_str(), invited.status()), ("gus@example.org", OfferStatus::Pending));
    let mail = suite.mail_to("gus@example.org", 1).await;
    assert!(mail.subject.contains("apollo"), "{}", mail.subject);
    assert_eq!(summary(&get(&gus, &project).await.unwrap_err()), GONE, "not before it is accepted");

    let accepted = accept_invitation(&gus, &mail.code()).await.unwrap();

    assert_eq!((accepted.status(), &accepted.answered_by), (OfferStatus::Accepted, &gus.id.to_string()));
    let member = get_member(&gus, &project, &gus).await.unwrap();
    assert_eq!((member.role, member.granted_permissions), (VIEWER, exceptions.granted_permissions));
    assert_eq!(get_invitation(&ada, &invited).await.unwrap(), accepted);
    assert_eq!(accept_invitation(&gus, &mail.code()).await.unwrap(), accepted, "a retry succeeds");
}

#[tokio::test]
async fn a_new_user_registers_before_accepting() {
    let Team { suite, olga, project, .. } = team().await;
    invite(&olga, inviting(&project, "new@example.org", 0)).await.unwrap();
    let code = suite.mail_to("new@example.org", 1).await.code();
    let refusal = accept_invitation(&suite.anonymous(), &code).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
    let newcomer = suite.user("newcomer").await;
    accept_invitation(&newcomer, &code).await.unwrap();
    assert_eq!(get_member(&newcomer, &project, &newcomer).await.unwrap().role, MEMBER);
}

#[tokio::test]
async fn an_invitation_accepted_concurrently_admits_one_user() {
    let Team { suite, olga, gus, project, .. } = team().await;
    let eve = suite.guest("eve").await;
    for n in 0..6 {
        let address = format!("gus{n}@example.org");
        invite(&olga, inviting(&project, &address, VIEWER)).await.unwrap();
        let code = suite.mail_to(&address, 1).await.code();
        let (first, second, third) = tokio::join!(
            accept_invitation(&gus, &code),
            accept_invitation(&eve, &code),
            accept_invitation(&gus, &code)
        );
        assert_ne!(first.is_ok(), second.is_ok());
        assert_eq!(first.is_ok(), third.is_ok(), "the same user twice is one user");
        let (winner, refusal) = match second {
            Ok(_) => (&eve, first.unwrap_err()),
            Err(refusal) => (&gus, refusal),
        };
        assert_eq!(summary(&refusal), CLOSED);
        remove(&olga, &project, winner).await.unwrap();
    }
}

#[tokio::test]
async fn inviting_requires_member_manage_and_every_given_permission() {
    let Team { suite, olga, ada, max, vera, gus, project } = team().await;
    let invited = invite(&olga, inviting(&project, "x@example.org", VIEWER)).await.unwrap();
    let of_project = ListInvitationsRequest { project_id: project.id.clone(), ..Default::default() };
    for (who, expected) in [
        (&max, DENIED),
        (&vera, DENIED),
        (&gus, GONE),
        (&suite.anonymous(), "UNAUTHENTICATED SESSION_REQUIRED"),
    ] {
        for refusal in [
            invite(who, inviting(&project, "y@example.org", VIEWER)).await.unwrap_err(),
            get_invitation(who, &invited).await.unwrap_err(),
            resend_invitation(who, &invited, "").await.unwrap_err(),
            revoke(who, &invited, "").await.unwrap_err(),
            list(who, of_project.clone()).await.unwrap_err(),
        ] {
            assert_eq!(summary(&refusal), expected, "{}", who.name);
        }
    }
    let trimmed = get_member(&olga, &project, &ada).await.unwrap();
    let trimmed = Member { denied_permissions: vec![Permission::TaskDelete.into()], ..trimmed };
    update_member(&olga, trimmed, &["denied_permissions"]).await.unwrap();
    let refusal = invite(&ada, inviting(&project, "y@example.org", ADMIN)).await.unwrap_err();
    assert_eq!(summary(&refusal), DENIED);
    invite(&ada, inviting(&project, "y@example.org", MEMBER)).await.unwrap();
    let refusal = invite(&olga, inviting(&project, "z@example.org", OWNER)).await.unwrap_err();
    assert_eq!(violations(&refusal), ["invitation.role"]);
}

#[tokio::test]
async fn an_invitation_fails_once_its_inviter_lost_the_permission() {
    let Team { suite, olga, ada, gus, project, .. } = team().await;
    invite(&ada, inviting(&project, "gus@example.org", MEMBER)).await.unwrap();
    let code = suite.mail_to("gus@example.org", 1).await.code();
    let member = get_member(&olga, &project, &ada).await.unwrap();
    update_member(&olga, Member { role: VIEWER, ..member }, &["role"]).await.unwrap();
    assert_eq!(summary(&accept_invitation(&gus, &code).await.unwrap_err()), CLOSED);
    remove(&olga, &project, &ada).await.unwrap();
    assert_eq!(summary(&accept_invitation(&gus, &code).await.unwrap_err()), CLOSED);
    assert_eq!(summary(&get(&gus, &project).await.unwrap_err()), GONE);
}

#[tokio::test]
async fn revoked_expired_and_replaced_tokens_are_refused() {
    let Team { suite, olga, gus, project, .. } = team().await;
    let revoked = invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let code = suite.mail_to("gus@example.org", 1).await.code();
    let withdrawn = revoke(&olga, &revoked, &revoked.etag).await.unwrap();
    assert_eq!(withdrawn.status(), OfferStatus::Withdrawn);
    assert_eq!(revoke(&olga, &revoked, "").await.unwrap(), withdrawn);
    assert_eq!(summary(&accept_invitation(&gus, &code).await.unwrap_err()), CLOSED);
    assert_eq!(summary(&resend_invitation(&olga, &revoked, "").await.unwrap_err()), CLOSED);

    let second = invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let old = suite.mail_to("gus@example.org", 2).await.code();
    sql(&suite, "UPDATE project.invitations SET expires_at = now() - interval '1 hour'").await;
    assert_eq!(summary(&accept_invitation(&gus, &old).await.unwrap_err()), CLOSED);
    assert_eq!(get_invitation(&olga, &second).await.unwrap().status(), OfferStatus::Expired);

    let again = resend_invitation(&olga, &second, "").await.unwrap();
    assert_eq!((again.status(), again.send_count), (OfferStatus::Pending, 2));
    let new = suite.mail_to("gus@example.org", 3).await.code();
    assert_eq!(summary(&accept_invitation(&gus, &old).await.unwrap_err()), GONE);
    accept_invitation(&gus, &new).await.unwrap();
    for refusal in [revoke(&olga, &second, "").await, resend_invitation(&olga, &second, "").await] {
        assert_eq!(summary(&refusal.unwrap_err()), CLOSED);
    }
}

#[tokio::test]
async fn an_address_has_one_pending_invitation_and_members_do_not_consume_it() {
    let Team { suite, olga, vera, gus, project, .. } = team().await;
    invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let refusal = invite(&olga, inviting(&project, "GUS@example.org", VIEWER)).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
    let invited = invite(&olga, inviting(&project, "Ina@BÜCHER.example", VIEWER)).await.unwrap();
    assert_eq!(invited.email, "ina@xn--bcher-kva.example");
    let refusal = invite(&olga, inviting(&project, "ina@xn--bcher-kva.example", VIEWER)).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
    suite.mail_to("ina@xn--bcher-kva.example", 1).await;
    let code = suite.mail_to("gus@example.org", 1).await.code();
    let refusal = accept_invitation(&vera, &code).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
    accept_invitation(&gus, &code).await.unwrap();
    sql(&suite, "UPDATE project.invitations SET expires_at = now() - interval '1 hour'").await;
    invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    sql(&suite, "UPDATE project.invitations SET expires_at = now() - interval '1 hour'").await;
    invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
}

#[tokio::test]
async fn a_retry_returns_the_invitation_and_sends_one_email() {
    let Team { suite, olga, project, .. } = team().await;
    let request =
        CreateInvitationRequest { request_id: new_id(), ..inviting(&project, "gus@example.org", 0) };
    let (first, second) = tokio::join!(invite(&olga, request.clone()), invite(&olga, request.clone()));
    assert_eq!(first.unwrap(), second.unwrap());
    let other = CreateInvitationRequest {
        request_id: request.request_id,
        ..inviting(&project, "eve@example.org", 0)
    };
    let refusal = invite(&olga, other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
    invite(&olga, inviting(&project, "last@example.org", 0)).await.unwrap();
    suite.mail_to("last@example.org", 1).await;
    assert_eq!(suite.mails_to("gus@example.org").len(), 1);
}

#[tokio::test]
async fn a_stale_etag_aborts_resending_and_revoking() {
    let Team { suite: _suite, olga, project, .. } = team().await;
    let invited = invite(&olga, inviting(&project, "gus@example.org", 0)).await.unwrap();
    let sent = resend_invitation(&olga, &invited, &invited.etag).await.unwrap();
    assert_ne!(sent.etag, invited.etag);
    for refusal in [
        resend_invitation(&olga, &invited, &invited.etag).await,
        revoke(&olga, &invited, &invited.etag).await,
    ] {
        assert_eq!(summary(&refusal.unwrap_err()), "ABORTED ETAG_MISMATCH");
    }
}

#[tokio::test]
async fn invitations_are_listed_newest_first() {
    let Team { suite, olga, project, .. } = team().await;
    let first = invite(&olga, inviting(&project, "a@example.org", 0)).await.unwrap();
    let second = invite(&olga, inviting(&project, "b@example.org", 0)).await.unwrap();
    let third = invite(&olga, inviting(&project, "c@example.org", 0)).await.unwrap();
    let third = revoke(&olga, &third, "").await.unwrap();
    let all = ListInvitationsRequest { project_id: project.id.clone(), ..Default::default() };
    assert_eq!(list(&olga, all.clone()).await.unwrap(), [third.clone(), second.clone(), first.clone()]);
    let open = ListInvitationsRequest { statuses: vec![OfferStatus::Pending as i32], ..all.clone() };
    assert_eq!(list(&olga, open.clone()).await.unwrap(), [second.clone(), first.clone()]);
    let paged = ListInvitationsRequest { page_size: 2, ..all.clone() };
    let page = olga.members().list_invitations(paged.clone()).await.unwrap().into_inner();
    let next = ListInvitationsRequest { page_token: page.next_page_token, ..paged };
    assert_eq!(list(&olga, next).await.unwrap(), [first]);
    sql(&suite, "UPDATE project.invitations SET expires_at = now() - interval '1 hour'").await;
    assert_eq!(list(&olga, open).await.unwrap(), []);
    let expired = ListInvitationsRequest { statuses: vec![OfferStatus::Expired as i32], ..all };
    assert_eq!(list(&olga, expired).await.unwrap().len(), 2);
}

#[tokio::test]
async fn forged_and_malformed_tokens_are_refused() {
    let Team { suite, olga, gus, project, .. } = team().await;
    let invited = invite(&olga, inviting(&project, "gus@example.org", 0)).await.unwrap();
    let code = suite.mail_to("gus@example.org", 1).await.code();
    let forged = format!("{}{}", &code[..code.len() - 4], "AAAA");
    assert_eq!(summary(&accept_invitation(&gus, &forged).await.unwrap_err()), GONE);
    for nonsense in ["", "dfi_", "dfi_AAAA", &code[4..], &invited.id] {
        let refusal = accept_invitation(&gus, nonsense).await.unwrap_err();
        assert_eq!(violations(&refusal), ["token"], "{nonsense}");
    }
}

#[tokio::test]
async fn every_violation_is_reported() {
    let Team { suite: _suite, olga, .. } = team().await;
    let garbage = Invitation {
        project_id: "x".to_owned(),
        email: "gus@example.org\r\nBcc: eve@example.org".to_owned(),
        role: 77,
        granted_permissions: vec![99],
        denied_permissions: vec![0],
        ..Default::default()
    };
    let garbage = CreateInvitationRequest {
        request_id: "x".to_owned(),
        invitation: Some(garbage),
        lifetime: Some(prost_types::Duration { seconds: 3599, nanos: 999_999_999 }),
    };
    let refusal = invite(&olga, garbage).await.unwrap_err();
    let expected = ["project_id", "email", "role", "granted_permissions[0]", "denied_permissions[0]"]
        .map(|field| format!("invitation.{field}"));
    let found = violations(&refusal);
    assert_eq!(found[..2], ["request_id", "lifetime"]);
    assert_eq!(found[2..], expected);
    let nothing = Invitation::default();
    for refusal in [
        get_invitation(&olga, &nothing).await,
        resend_invitation(&olga, &nothing, "").await,
        revoke(&olga, &nothing, "").await,
    ] {
        assert_eq!(violations(&refusal.unwrap_err()), ["project_id", "invitation_id"]);
    }
    let garbage = ListInvitationsRequest { page_size: -1, statuses: vec![0], ..Default::default() };
    let refusal = list(&olga, garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["page_size", "project_id", "statuses[0]"]);
}
