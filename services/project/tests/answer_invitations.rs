//! Declining, resending, and inviters whose account is not active.

use crate::calls::*;
use crate::fixtures::{Team, team};
use proto::identity::admin::v1::EraseUserRequest;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::project::v1::{
    ListInvitationsRequest, ListProjectHistoryRequest, Member, OfferStatus, ResendInvitationRequest,
};
use shared::siblings::Sibling;
use testkit::*;

const CLOSED: &str = "FAILED_PRECONDITION OFFER_CLOSED";
const GONE: &str = "NOT_FOUND RESOURCE_NOT_FOUND";

#[tokio::test]
async fn the_bearer_of_a_token_declines_with_or_without_a_session() {
    let Team { suite, olga, gus, project, .. } = team().await;
    let invited = invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let code = suite.mail_to("gus@example.org", 1).await.code();
    let declined = decline_invitation(&suite.anonymous(), &code).await.unwrap();
    assert_eq!((declined.status(), declined.answered_by.as_str()), (OfferStatus::Declined, ""));
    assert!(declined.closed_at.is_some());
    assert_eq!(get_invitation(&olga, &invited).await.unwrap(), declined);
    assert_eq!(decline_invitation(&gus, &code).await.unwrap(), declined, "a retry succeeds");
    assert_eq!(summary(&accept_invitation(&gus, &code).await.unwrap_err()), CLOSED);
    assert_eq!(summary(&resend_invitation(&olga, &invited, "").await.unwrap_err()), CLOSED);

    invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let code = suite.mail_to("gus@example.org", 2).await.code();
    let declined = decline_invitation(&gus, &code).await.unwrap();
    assert_eq!(declined.answered_by, gus.id.to_string());

    invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let code = suite.mail_to("gus@example.org", 3).await.code();
    accept_invitation(&gus, &code).await.unwrap();
    assert_eq!(summary(&decline_invitation(&gus, &code).await.unwrap_err()), CLOSED);
    let forged = format!("{}{}", &code[..code.len() - 4], "AAAA");
    assert_eq!(summary(&decline_invitation(&gus, &forged).await.unwrap_err()), GONE);
    assert_eq!(violations(&decline_invitation(&gus, "x").await.unwrap_err()), ["token"]);
}

#[tokio::test]
async fn a_retry_of_resending_sends_no_email() {
    let Team { suite, olga, project, .. } = team().await;
    let invited = invite(&olga, inviting(&project, "gus@example.org", 0)).await.unwrap();
    let request = ResendInvitationRequest {
        request_id: new_id(),
        project_id: project.id.clone(),
        invitation_id: invited.id.clone(),
        etag: invited.etag.clone(),
        lifetime: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
    };
    let sent = olga.members().resend_invitation(request.clone()).await.unwrap().into_inner();
    assert_eq!(sent.send_count, 2);
    assert_eq!(olga.members().resend_invitation(request.clone()).await.unwrap().into_inner(), sent);
    let other = ResendInvitationRequest { lifetime: None, ..request };
    let refusal = olga.members().resend_invitation(other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
    suite.mail_to("gus@example.org", 2).await;
    assert_eq!(suite.mails_to("gus@example.org").len(), 2);
}

#[tokio::test]
async fn an_invitation_fails_while_its_inviter_is_suspended() {
    let Team { suite, ada, gus, project, .. } = team().await;
    invite(&ada, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let code = suite.mail_to("gus@example.org", 1).await.code();
    let set_status =
        |status: &str| format!("UPDATE identity.users SET status = '{status}' WHERE id = '{}'", ada.id);
    suite.execute(&set_status("suspended")).await;
    assert_eq!(summary(&accept_invitation(&gus, &code).await.unwrap_err()), CLOSED);
    assert_eq!(summary(&get(&gus, &project).await.unwrap_err()), GONE);
    suite.execute(&set_status("active")).await;
    accept_invitation(&gus, &code).await.unwrap();
}

#[tokio::test]
async fn an_invitation_that_its_inviter_may_no_longer_give_is_withdrawn() {
    let Team { suite, olga, ada, gus, project, .. } = team().await;
    let bea = suite.user("bea").await;
    add(&olga, joining(&project, &bea, ADMIN)).await.unwrap();
    let cleo = suite.user("cleo").await;
    add(&olga, joining(&project, &cleo, ADMIN)).await.unwrap();
    let mut codes = Vec::new();
    for (inviter, address) in
        [(&ada, "ada@x.org"), (&bea, "bea@x.org"), (&cleo, "cleo@x.org"), (&olga, "olga@x.org")]
    {
        invite(inviter, inviting(&project, address, MEMBER)).await.unwrap();
        codes.push(suite.mail_to(address, 1).await.code());
    }

    let member = get_member(&olga, &project, &ada).await.unwrap();
    update_member(&olga, Member { role: VIEWER, ..member }, &["role"]).await.unwrap();
    remove(&olga, &project, &bea).await.unwrap();
    let delete = format!("UPDATE identity.users SET status = 'deleted' WHERE id = '{}'", cleo.id);
    suite.execute(&delete).await;

    let with_status = async |status: OfferStatus| {
        let request = ListInvitationsRequest {
            project_id: project.id.clone(),
            statuses: vec![status.into()],
            ..Default::default()
        };
        let answer = olga.members().list_invitations(request).await.unwrap().into_inner();
        answer.invitations.into_iter().map(|invitation| invitation.email).collect::<Vec<_>>()
    };
    assert_eq!(with_status(OfferStatus::Pending).await, ["olga@x.org"]);
    assert_eq!(with_status(OfferStatus::Withdrawn).await, ["cleo@x.org", "bea@x.org", "ada@x.org"]);
    for code in codes.iter().take(3) {
        assert_eq!(summary(&accept_invitation(&gus, code).await.unwrap_err()), CLOSED);
    }
    accept_invitation(&gus, &codes[3]).await.unwrap();
}

#[tokio::test]
async fn an_invitation_of_a_removed_member_keeps_nobody_from_inviting_the_same_address() {
    let Team { suite: _suite, olga, ada, project, .. } = team().await;
    let former = invite(&ada, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    remove(&olga, &project, &ada).await.unwrap();

    invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();

    assert_eq!(get_invitation(&olga, &former).await.unwrap().status(), OfferStatus::Withdrawn);
    let refusal = resend_invitation(&olga, &former, "").await.unwrap_err();
    assert_eq!(summary(&refusal), CLOSED);
}

#[tokio::test]
async fn erasing_an_account_erases_its_address_from_invitations() {
    let Team { suite, olga, gus, project, .. } = team().await;
    let accepted = invite(&olga, inviting(&project, "private@x.org", VIEWER)).await.unwrap();
    accept_invitation(&gus, &suite.mail_to("private@x.org", 1).await.code()).await.unwrap();
    let pending = invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let other = invite(&olga, inviting(&project, "eve@example.org", VIEWER)).await.unwrap();

    let mut operator = UserAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Identity));
    let erase = EraseUserRequest { user_id: gus.id.to_string() };
    operator.erase_user(erase.clone()).await.unwrap();
    operator.erase_user(erase).await.unwrap();

    let accepted = get_invitation(&olga, &accepted).await.unwrap();
    let pending = get_invitation(&olga, &pending).await.unwrap();
    for invitation in [&accepted, &pending] {
        assert_eq!(invitation.email, format!("erased-{}@erased.invalid", invitation.id));
    }
    assert_eq!((accepted.status(), pending.status()), (OfferStatus::Accepted, OfferStatus::Withdrawn));
    assert_eq!(get_invitation(&olga, &other).await.unwrap(), other);
    for table in ["invitations", "change_log", "mail_outbox"] {
        let rows = format!("SELECT FROM project.{table} t WHERE t::text ~ 'private@x.org|gus@example.org'");
        suite.execute(&format!("DO $$ BEGIN ASSERT NOT EXISTS ({rows}), '{table}'; END $$")).await;
    }
    let history = ListProjectHistoryRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().list_project_history(history).await.unwrap();
}
