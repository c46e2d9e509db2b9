//! Codes that a service of the suite asks for.

use crate::fixtures::*;
use crate::harness::harness;
use proto::common::CodeDelivery;
use proto::identity::backend::v1 as backend;
use proto::identity::v1 as pb;
use testkit::*;

#[tokio::test]
async fn a_backend_gets_a_returned_code() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;

    let made = backend(&suite).create_password_reset_code(returned_reset("Olga@example.org")).await;

    let made = made.unwrap().into_inner();
    assert_eq!(made.user_id, olga.id.to_string());
    let new_password = "battery staple horse".to_owned();
    let request = pb::ResetPasswordRequest {
        request_id: new_id(),
        code: made.code.unwrap(),
        new_password: new_password.clone(),
    };
    suite.anonymous().auth().reset_password(request).await.unwrap();
    suite.anonymous().auth().login(login("olga", &new_password)).await.unwrap();
    assert_eq!(suite.mail_to("olga@example.org", 1).await.subject, "Your password was changed");
}

#[tokio::test]
async fn a_backend_has_codes_emailed() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let user_id = olga.id.to_string();
    let request = backend::CreateEmailVerificationCodeRequest {
        user_id: user_id.clone(),
        delivery: CodeDelivery::Email.into(),
    };
    let made = backend(&suite).create_email_verification_code(request).await.unwrap().into_inner();
    assert!(made.code.is_none() && made.expires_at.is_some());
    let code = suite.mail_to("olga@example.org", 1).await.code();
    let request = pb::VerifyEmailRequest { request_id: new_id(), code };
    suite.anonymous().account().verify_email(request).await.unwrap();

    let request = backend::CreateEmailChangeCodeRequest {
        user_id,
        new_email: "new@example.org".to_owned(),
        delivery: CodeDelivery::Email.into(),
    };
    backend(&suite).create_email_change_code(request).await.unwrap();
    suite.mail_to("new@example.org", 1).await.code();
    assert_eq!(suite.mail_to("olga@example.org", 2).await.subject, "Your email address is to change");
}

#[tokio::test]
async fn a_backend_learns_that_an_address_is_taken() {
    let suite = harness().start().await;
    let [olga, _gus] = suite.users(["olga", "gus"]).await;
    let request = |new_email: &str, delivery: CodeDelivery| backend::CreateEmailChangeCodeRequest {
        user_id: olga.id.to_string(),
        new_email: new_email.to_owned(),
        delivery: delivery.into(),
    };
    let returned = CodeDelivery::Response;
    let mut backend = backend(&suite);

    for taken in ["GUS@example.org", "olga@example.org"] {
        let refused = backend.create_email_change_code(request(taken, returned)).await.unwrap_err();
        assert_eq!(summary(&refused), "ALREADY_EXISTS ALREADY_EXISTS");
        assert_eq!(refused.message(), "new_email is already taken");
    }
    assert!(suite.mails_to("gus@example.org").is_empty());
    let sent = CodeDelivery::Email;
    let refused = backend.create_email_change_code(request("gus@example.org", sent)).await;
    assert_eq!(refusal(refused), "ALREADY_EXISTS ALREADY_EXISTS");
    assert_eq!(suite.mail_to("gus@example.org", 1).await.subject, "You already have an account");

    let made =
        backend.create_email_change_code(request("new@example.org", returned)).await.unwrap().into_inner();
    let confirm = pb::ConfirmEmailChangeRequest { request_id: new_id(), code: made.code.unwrap() };
    suite.anonymous().account().confirm_email_change(confirm).await.unwrap();
    assert_eq!(suite.mail_to("olga@example.org", 2).await.subject, "Your email address has changed");
    assert_eq!(suite.mails_to("olga@example.org").len(), 2, "of the change that there was, and of no other");
}

#[tokio::test]
async fn malformed_requests_of_a_backend_are_rejected() {
    let suite = harness().start().await;
    let mut backend = backend(&suite);
    let unknown = backend.create_password_reset_code(returned_reset("nobody@example.org")).await;
    assert_eq!(refusal(unknown), "NOT_FOUND RESOURCE_NOT_FOUND");
    let refused =
        backend.create_email_change_code(backend::CreateEmailChangeCodeRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refused), ["user_id", "new_email", "delivery"]);
    let refused = backend
        .create_password_reset_code(backend::CreatePasswordResetCodeRequest::default())
        .await
        .unwrap_err();
    assert_eq!(violations(&refused), ["account", "delivery"]);
}
