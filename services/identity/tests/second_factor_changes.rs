//! Turning a second factor on and off: its owner is told, and a retry is answered like the first call.

use crate::fixtures::*;
use crate::harness::harness;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1 as pb;
use shared::siblings::Sibling;
use testkit::*;

use crate::authenticator::{App, begin, by_code, by_recovery, challenge, complete, enable, state};

const OLGA: &str = "olga@example.org";

#[tokio::test]
async fn every_change_of_the_second_factor_is_emailed() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, _) = enable(&suite, &olga).await;
    assert_eq!(suite.mail_to(OLGA, 1).await.subject, "Your second factor is on");

    let proof = by_code(&app.next_code());
    let request = pb::CreateRecoveryCodesRequest { request_id: String::new(), proof };
    olga.account().create_recovery_codes(request).await.unwrap();
    let mail = suite.mail_to(OLGA, 2).await;
    assert_eq!(mail.subject, "You have new recovery codes");
    assert!(!mail.text.contains("    "), "a letter has no code in it: {mail:?}");

    let proof = by_code(&app.next_code());
    let request = pb::RemoveSecondFactorRequest { request_id: String::new(), proof };
    olga.account().remove_second_factor(request).await.unwrap();
    assert_eq!(suite.mail_to(OLGA, 3).await.subject, "Your second factor is off");

    enable(&suite, &olga).await;
    suite.mail_to(OLGA, 4).await;
    let mut admin = UserAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Identity));
    for _ in 0..2 {
        let request = admin::RemoveUserSecondFactorRequest { user_id: olga.id.to_string() };
        admin.remove_user_second_factor(request).await.unwrap();
    }
    assert_eq!(suite.mail_to(OLGA, 5).await.subject, "Your second factor was removed");
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    assert_eq!(suite.mail_to(OLGA, 6).await.subject, "Confirm your email address", "told once");
}

#[tokio::test]
async fn a_wrong_code_changes_nothing_and_sends_no_email() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    begin(&olga).await;
    let request = pb::ConfirmSecondFactorRequest { request_id: new_id(), code: "000000".to_owned() };
    let answer = olga.account().confirm_second_factor(request).await;
    assert_eq!(refusal(answer), "PERMISSION_DENIED SECOND_FACTOR_INVALID");
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    assert_eq!(suite.mail_to(OLGA, 1).await.subject, "Confirm your email address");
}

#[tokio::test]
async fn a_retry_gets_the_response_of_the_first_call() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut factors = olga.account();
    let password = olga.password.clone();
    let request = pb::BeginSecondFactorRequest { request_id: new_id(), password };
    let first = factors.begin_second_factor(request.clone()).await.unwrap().into_inner();
    let again = factors.begin_second_factor(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    let guess = pb::BeginSecondFactorRequest { password: "another password".to_owned(), ..request };
    assert_eq!(refusal(factors.begin_second_factor(guess).await), "PERMISSION_DENIED PASSWORD_WRONG");
    assert_ne!(begin(&olga).await.secret, first.secret, "another request makes another secret");
    let app = App::new(&suite, &begin(&olga).await.secret);

    let request = pb::ConfirmSecondFactorRequest { request_id: new_id(), code: app.code_in(0) };
    let first = factors.confirm_second_factor(request.clone()).await.unwrap().into_inner();
    let again = factors.confirm_second_factor(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    let other = pb::ConfirmSecondFactorRequest { code: app.code_in(1), ..request };
    assert_eq!(refusal(factors.confirm_second_factor(other).await), "FAILED_PRECONDITION REQUEST_ID_REUSED");

    let proof = by_recovery(&first.codes[0]);
    let request = pb::CreateRecoveryCodesRequest { request_id: new_id(), proof };
    let former = first;
    let first = factors.create_recovery_codes(request.clone()).await.unwrap().into_inner();
    let again = factors.create_recovery_codes(request).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert!(first.codes.iter().all(|code| !former.codes.contains(code)));
    assert_eq!(state(&olga).await, (true, 10));
    complete(&suite, &challenge(&olga).await, by_recovery(&again.codes[9])).await.unwrap();

    let proof = by_recovery(&first.codes[0]);
    let request = pb::RemoveSecondFactorRequest { request_id: new_id(), proof };
    for _ in 0..2 {
        assert!(!factors.remove_second_factor(request.clone()).await.unwrap().into_inner().enabled);
    }
    // On, twice new codes, off: a retry tells nobody again.
    assert_eq!(suite.mail_to(OLGA, 3).await.subject, "Your second factor is off");
    assert_eq!(suite.mails_to(OLGA).len(), 3);
}

#[tokio::test]
async fn a_password_reset_keeps_the_second_factor() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, _) = enable(&suite, &olga).await;
    suite.mail_to(OLGA, 1).await;
    let request = pb::RequestPasswordResetRequest { email: OLGA.to_owned() };
    suite.anonymous().auth().request_password_reset(request).await.unwrap();
    let new_password = "battery staple horse".to_owned();
    let request = pb::ResetPasswordRequest {
        request_id: new_id(),
        code: suite.mail_to(OLGA, 2).await.code(),
        new_password: new_password.clone(),
    };
    suite.anonymous().auth().reset_password(request).await.unwrap();

    let answer = suite.anonymous().auth().login(login("olga", &new_password)).await.unwrap();

    let token = answer.challenge_token();
    let wrong = complete(&suite, &token, by_code("000000")).await;
    assert_eq!(refusal(wrong), "UNAUTHENTICATED SECOND_FACTOR_INVALID");
    complete(&suite, &token, by_code(&app.next_code())).await.unwrap();
}
