//! Proving an address, and setting a new password without the old one.

use crate::fixtures::*;
use crate::harness::harness;
use chrono::TimeDelta;
use prost_types::FieldMask;
use proto::identity::v1 as pb;
use testkit::*;

const CODE_INVALID: &str = "FAILED_PRECONDITION CODE_INVALID";
const NEW_PASSWORD: &str = "battery staple horse";

async fn asks_for_a_reset(suite: &Suite, email: &str) {
    let request = pb::RequestPasswordResetRequest { email: email.to_owned() };
    suite.anonymous().auth().request_password_reset(request).await.unwrap();
}

fn reset(code: &str, password: &str) -> pb::ResetPasswordRequest {
    pb::ResetPasswordRequest {
        request_id: String::new(),
        code: code.to_owned(),
        new_password: password.to_owned(),
    }
}

fn verification(code: &str) -> pb::VerifyEmailRequest {
    pb::VerifyEmailRequest { request_id: String::new(), code: code.to_owned() }
}

async fn is_verified(actor: &Actor) -> bool {
    let who = actor.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap().into_inner();
    who.user.unwrap().email_verified
}

#[tokio::test]
async fn verify_email_takes_the_code_from_the_email() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    let mail = suite.mail_to("olga@example.org", 1).await;
    assert_eq!(mail.subject, "Confirm your email address");
    assert!(!is_verified(&olga).await);

    let answer = suite.anonymous().account().verify_email(verification(&mail.code())).await.unwrap();

    assert_eq!(answer.into_inner().email, "olga@example.org");
    assert!(is_verified(&olga).await);
    let again = suite.anonymous().account().verify_email(verification(&mail.code())).await;
    assert_eq!(refusal(again), CODE_INVALID);
}

#[tokio::test]
async fn reset_password_ends_every_session() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let phone = log_in_again(&olga).await;
    call_every_service(&phone).await.unwrap();
    asks_for_a_reset(&suite, " Olga@Example.org ").await;
    let code = suite.mail_to("olga@example.org", 1).await.code();

    suite.anonymous().auth().reset_password(reset(&code, NEW_PASSWORD)).await.unwrap();

    for device in [&olga, &phone] {
        assert_eq!(refused_elsewhere(device).await, "UNAUTHENTICATED SESSION_INVALID");
        let refresh = pb::RefreshSessionRequest { refresh_token: device.refresh_token.clone() };
        assert_eq!(refusal(device.auth().refresh_session(refresh).await), "UNAUTHENTICATED SESSION_INVALID");
    }
    let mut auth = suite.anonymous().auth();
    assert_eq!(
        refusal(auth.login(login("olga", &olga.password)).await),
        "UNAUTHENTICATED INVALID_CREDENTIALS"
    );
    auth.login(login("olga", NEW_PASSWORD)).await.unwrap();
    let told = suite.mail_to("olga@example.org", 2).await;
    assert_eq!(told.subject, "Your password was changed");
    let again = suite.anonymous().auth().reset_password(reset(&code, "another password")).await;
    assert_eq!(refusal(again), CODE_INVALID);
}

/// The names are encrypted in the database; the service compares with what they say.
#[tokio::test]
async fn a_password_made_of_the_own_names_is_rejected() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let before = olga.account().get_user(pb::GetUserRequest { user_id: olga.id.to_string() }).await.unwrap();
    let named = pb::User {
        first_name: Some("Wilhelmina".to_owned()),
        last_name: Some("Featherstone".to_owned()),
        ..before.into_inner()
    };
    let paths = vec!["first_name".to_owned(), "last_name".to_owned()];
    let change = pb::UpdateUserRequest {
        user: Some(named),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    };
    olga.account().update_user(change).await.unwrap();
    let own = "WilhelminaFeatherstone1";

    let change = pb::ChangePasswordRequest {
        request_id: String::new(),
        old_password: olga.password.clone(),
        new_password: own.to_owned(),
        ..Default::default()
    };
    let refused = olga.account().change_password(change).await.unwrap_err();
    assert_eq!(violations(&refused), ["new_password"]);

    asks_for_a_reset(&suite, "olga@example.org").await;
    let code = suite.mail_to("olga@example.org", 1).await.code();
    let refused = suite.anonymous().auth().reset_password(reset(&code, own)).await.unwrap_err();
    assert_eq!(violations(&refused), ["new_password"]);
    // The code is not used up by a refusal.
    suite.anonymous().auth().reset_password(reset(&code, NEW_PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn a_retried_reset_succeeds_and_another_request_with_its_code_fails() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    asks_for_a_reset(&suite, "olga@example.org").await;
    let code = suite.mail_to("olga@example.org", 1).await.code();
    let request = pb::ResetPasswordRequest { request_id: new_id(), ..reset(&code, NEW_PASSWORD) };
    let mut account = suite.anonymous().auth();
    account.reset_password(request.clone()).await.unwrap();
    let device = suite.anonymous().auth().login(login("olga", NEW_PASSWORD)).await.unwrap().grant();

    account.reset_password(request.clone()).await.unwrap();

    call_every_service(&with_tokens(&suite.anonymous(), &device)).await.unwrap();
    let other = pb::ResetPasswordRequest { request_id: new_id(), ..request };
    assert_eq!(refusal(account.reset_password(other).await), CODE_INVALID);
    assert_eq!(suite.mails_to("olga@example.org").len(), 2);
}

#[tokio::test]
async fn concurrent_retries_with_one_code_are_one_request() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    asks_for_a_reset(&suite, "olga@example.org").await;
    let code = suite.mail_to("olga@example.org", 1).await.code();
    let (mut one, mut two) = (suite.anonymous().auth(), suite.anonymous().auth());
    let (first, second) = tokio::join!(
        one.reset_password(reset(&code, NEW_PASSWORD)),
        two.reset_password(reset(&code, "another password"))
    );
    let refused: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.iter().map(summary).collect::<Vec<_>>(), [CODE_INVALID]);
}

#[tokio::test]
async fn a_code_works_until_it_expires_for_its_purpose_and_an_active_account() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut account = suite.anonymous().auth();
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    let to_verify = suite.mail_to("olga@example.org", 1).await.code();
    asks_for_a_reset(&suite, "olga@example.org").await;
    let to_reset = suite.mail_to("olga@example.org", 2).await.code();

    assert_eq!(
        refusal(suite.anonymous().account().verify_email(verification(&to_reset)).await),
        CODE_INVALID
    );
    assert_eq!(refusal(account.reset_password(reset(&to_verify, NEW_PASSWORD)).await), CODE_INVALID);
    execute(&suite, "UPDATE identity.users SET status = 'suspended'").await;
    assert_eq!(refusal(account.reset_password(reset(&to_reset, NEW_PASSWORD)).await), CODE_INVALID);
    execute(&suite, "UPDATE identity.users SET status = 'active'").await;
    suite.options.clock.advance(TimeDelta::minutes(61));
    assert_eq!(refusal(account.reset_password(reset(&to_reset, NEW_PASSWORD)).await), CODE_INVALID);
    suite.anonymous().account().verify_email(verification(&to_verify)).await.unwrap();
}

#[tokio::test]
async fn a_code_for_a_former_address_verifies_nothing() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    let code = suite.mail_to("olga@example.org", 1).await.code();
    execute(&suite, "UPDATE identity.users SET email = 'new@example.org'").await;
    assert_eq!(refusal(suite.anonymous().account().verify_email(verification(&code)).await), CODE_INVALID);
    assert!(!is_verified(&olga).await);
}

#[tokio::test]
async fn an_unknown_address_gets_the_same_response_and_no_email() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    suite
        .execute(
            "INSERT INTO identity.users (email, username, password_hash, status) \
        VALUES ('sue@example.org', 'sue', '!', 'suspended')",
        )
        .await;
    for nobody in ["nobody@example.org", "sue@example.org"] {
        asks_for_a_reset(&suite, nobody).await;
    }
    asks_for_a_reset(&suite, "olga@example.org").await;
    suite.mail_to("olga@example.org", 1).await;
    for nobody in ["nobody@example.org", "sue@example.org"] {
        assert_eq!(suite.mails_to(nobody).len(), 0);
    }
    // The work is the same as well: each left a code.
    assert_eq!(rows(&suite, "account_codes").await.len(), 3);
}

#[tokio::test]
async fn a_weak_password_does_not_use_the_code_up() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    asks_for_a_reset(&suite, "olga@example.org").await;
    let code = suite.mail_to("olga@example.org", 1).await.code();
    let mut account = suite.anonymous().auth();
    for weak in ["short", "password123", "Password2024!", "olga@example.org", "OlgaOlgaOlga"] {
        let refused = account.reset_password(reset(&code, weak)).await.unwrap_err();
        assert_eq!(violations(&refused), ["new_password"], "{weak}");
    }
    account.reset_password(reset(&code, NEW_PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn malformed_requests_name_every_field() {
    let suite = harness().start().await;
    let request = pb::ResetPasswordRequest { request_id: "x".to_owned(), ..reset("", "short") };
    let refused = suite.anonymous().auth().reset_password(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id", "code", "new_password"]);
    let refused = suite
        .anonymous()
        .auth()
        .request_password_reset(pb::RequestPasswordResetRequest::default())
        .await
        .unwrap_err();
    assert_eq!(violations(&refused), ["email"]);
    let invented = format!("dfc_{}", "A".repeat(43));
    for nonsense in ["nonsense", &invented] {
        let answer = suite.anonymous().account().verify_email(verification(nonsense)).await;
        assert_eq!(refusal(answer), CODE_INVALID);
    }
}

#[tokio::test]
async fn reset_password_works_while_redis_is_down() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    call_every_service(&olga).await.unwrap();
    asks_for_a_reset(&suite, "olga@example.org").await;
    let code = suite.mail_to("olga@example.org", 1).await.code();
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();
    suite.anonymous().auth().reset_password(reset(&code, NEW_PASSWORD)).await.unwrap();

    assert_eq!(refusal(olga.auth().who_am_i(pb::WhoAmIRequest {}).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere_within(&olga, TIMEOUT).await, "UNAUTHENTICATED SESSION_INVALID");
    servers.start_redis().await.unwrap();
    suite.anonymous().auth().login(login("olga", NEW_PASSWORD)).await.unwrap();
}
