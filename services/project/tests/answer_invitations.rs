//! Declining, resending, and inviters whose account is not active.

use crate::calls::*;
use crate::fixtures::{Team, team};
use proto::project::v1::{OfferStatus, ResendInvitationRequest};
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
