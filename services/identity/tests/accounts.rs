//! Changing one's password and address, and leaving.

mod international_addresses;

use crate::fixtures::*;
use crate::harness::harness;
use futures::TryStreamExt as _;
use proto::identity::v1 as pb;
use proto::identity::v1::SecurityEventKind as Kind;
use proto::identity::v1::user_record::Data;
use serde_json::json;
use shared::json::to_struct;
use shared::validation::MAX_JSON_DEPTH;
use testkit::*;

const NEW_PASSWORD: &str = "battery staple horse";
const PASSWORD_WRONG: &str = "PERMISSION_DENIED PASSWORD_WRONG";

fn change(old: &str, new: &str) -> pb::ChangePasswordRequest {
    pb::ChangePasswordRequest {
        request_id: String::new(),
        old_password: old.to_owned(),
        new_password: new.to_owned(),
        revoke_api_tokens: false,
    }
}

fn new_address(actor: &Actor, email: &str) -> pb::RequestEmailChangeRequest {
    pb::RequestEmailChangeRequest { password: actor.password.clone(), new_email: email.to_owned() }
}

fn confirmation(code: &str) -> pb::ConfirmEmailChangeRequest {
    pb::ConfirmEmailChangeRequest { request_id: new_id(), code: code.to_owned() }
}

#[tokio::test]
async fn change_password_keeps_the_calling_session_and_ends_the_others() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let phone = log_in_again(&olga).await;
    call_every_service(&phone).await.unwrap();

    let answer = olga.account().change_password(change(&olga.password, NEW_PASSWORD)).await.unwrap();

    assert_eq!(answer.into_inner().revoked_session_count, 1);
    assert_eq!(refused_elsewhere(&phone).await, "UNAUTHENTICATED SESSION_INVALID");
    call_every_service(&olga).await.unwrap();
    let mut auth = suite.anonymous().auth();
    assert_eq!(
        refusal(auth.login(login("olga", &olga.password)).await),
        "UNAUTHENTICATED INVALID_CREDENTIALS"
    );
    auth.login(login("olga", NEW_PASSWORD)).await.unwrap();
    assert_eq!(suite.mail_to("olga@example.org", 1).await.subject, "Your password was changed");
}

#[tokio::test]
async fn change_password_ends_api_tokens_on_request() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (program, _) = api_client(&olga, &["account:read"]).await;
    let who_am_i = async || program.auth().who_am_i(pb::WhoAmIRequest {}).await;

    olga.account().change_password(change(&olga.password, NEW_PASSWORD)).await.unwrap();
    who_am_i().await.unwrap();
    let change =
        pb::ChangePasswordRequest { revoke_api_tokens: true, ..change(NEW_PASSWORD, "staple battery horse") };
    olga.account().change_password(change).await.unwrap();

    assert_eq!(refusal(who_am_i().await), "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn a_retried_password_change_gets_the_response_of_the_first_call() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    log_in_again(&olga).await;
    let request = pb::ChangePasswordRequest { request_id: new_id(), ..change(&olga.password, NEW_PASSWORD) };

    let (mut one, mut two) = (olga.account(), olga.account());
    let (first, second) =
        tokio::join!(one.change_password(request.clone()), two.change_password(request.clone()));
    let third = olga.account().change_password(request).await;

    for answer in [first, second, third] {
        assert_eq!(answer.unwrap().into_inner().revoked_session_count, 1);
    }
    suite.anonymous().auth().login(login("olga", NEW_PASSWORD)).await.unwrap();
    assert_eq!(events_of(&olga, &[Kind::PasswordChanged]).await.len(), 1);
}

#[tokio::test]
async fn a_wrong_password_changes_nothing() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut account = olga.account();
    let wrong = "not the password";
    assert_eq!(refusal(account.change_password(change(wrong, NEW_PASSWORD)).await), PASSWORD_WRONG);
    let address =
        pb::RequestEmailChangeRequest { password: wrong.to_owned(), ..new_address(&olga, "o@example.org") };
    assert_eq!(refusal(account.request_email_change(address).await), PASSWORD_WRONG);
    let delete = pb::DeleteAccountRequest { password: wrong.to_owned() };
    assert_eq!(refusal(account.delete_account(delete).await), PASSWORD_WRONG);
    suite.anonymous().auth().login(login("olga", &olga.password)).await.unwrap();
    for address in ["olga@example.org", "o@example.org"] {
        assert_eq!(suite.mails_to(address).len(), 0);
    }
}

#[tokio::test]
async fn guesses_with_a_stolen_session_are_limited() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut last = String::new();
    for _ in 0..11 {
        last = refusal(olga.account().change_password(change("not the password", NEW_PASSWORD)).await);
    }
    assert_eq!(last, "RESOURCE_EXHAUSTED RATE_LIMITED");
}

#[tokio::test]
async fn change_password_rejects_weak_passwords_and_request_email_change_the_own_address() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    for weak in ["short", "password123", "OlgaOlgaOlga", "olga@example.org"] {
        let refused = olga.account().change_password(change(&olga.password, weak)).await.unwrap_err();
        assert_eq!(violations(&refused), ["new_password"], "{weak}");
    }
    let refused =
        olga.account().request_email_change(new_address(&olga, "Olga@example.org")).await.unwrap_err();
    assert_eq!(violations(&refused), ["new_email"]);
    let register = pb::RegisterRequest {
        email: "gus@example.org".to_owned(),
        username: "gustav".to_owned(),
        password: "Gustav1990".to_owned(),
        ..Default::default()
    };
    let refused = suite.anonymous().auth().register(register).await.unwrap_err();
    assert_eq!(violations(&refused), ["password"]);
}

#[tokio::test]
async fn confirm_email_change_takes_the_code_and_notifies_both_addresses() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    olga.account().request_email_change(new_address(&olga, "New@example.org")).await.unwrap();
    let asked = suite.mail_to("olga@example.org", 1).await;
    assert_eq!(asked.subject, "Your email address is to change");
    let code = suite.mail_to("new@example.org", 1).await.code();
    let mut auth = suite.anonymous().auth();
    assert_eq!(
        refusal(auth.login(login("new@example.org", &olga.password)).await),
        "UNAUTHENTICATED INVALID_CREDENTIALS"
    );
    let request = confirmation(&code);

    let changed = suite.anonymous().account().confirm_email_change(request.clone()).await.unwrap();

    assert_eq!(changed.into_inner().email, "new@example.org");
    let user = auth.login(login("new@example.org", &olga.password)).await.unwrap().grant().user.unwrap();
    assert!(user.email_verified && user.email == "new@example.org");
    for (address, count) in [("olga@example.org", 2), ("new@example.org", 2)] {
        let told = suite.mail_to(address, count).await;
        assert!(told.subject == "Your email address has changed" && told.text.contains("new@example.org"));
    }
    suite.anonymous().account().confirm_email_change(request).await.unwrap();
    let again = suite.anonymous().account().confirm_email_change(confirmation(&code)).await;
    assert_eq!(refusal(again), "FAILED_PRECONDITION CODE_INVALID");
}

#[tokio::test]
async fn request_email_change_does_not_reveal_a_taken_address() {
    let suite = harness().start().await;
    let [olga, _gus] = suite.users(["olga", "gus"]).await;
    let free = olga.account().request_email_change(new_address(&olga, "free@example.org")).await.unwrap();
    let taken = olga.account().request_email_change(new_address(&olga, "gus@example.org")).await.unwrap();
    assert!(free.into_inner().expires_at.is_some() && taken.into_inner().expires_at.is_some());
    let mail = suite.mail_to("gus@example.org", 1).await;
    assert_eq!(mail.subject, "You already have an account");
    assert!(!mail.text.contains("dfc_") && !mail.text.contains("olga"));
}

#[tokio::test]
async fn an_address_that_was_taken_in_the_meantime_is_rejected() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    olga.account().request_email_change(new_address(&olga, "gus@example.org")).await.unwrap();
    let code = suite.mail_to("gus@example.org", 1).await.code();
    let _gus = suite.user("gus").await;
    let answer = suite.anonymous().account().confirm_email_change(confirmation(&code)).await;
    assert_eq!(refusal(answer), "ALREADY_EXISTS ALREADY_EXISTS");
}

/// A thief who knew the password asked for another address; the owner then changed the password.
#[tokio::test]
async fn change_password_ends_every_code() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    olga.account().request_email_change(new_address(&olga, "thief@example.org")).await.unwrap();
    let code = suite.mail_to("thief@example.org", 1).await.code();
    olga.account().change_password(change(&olga.password, NEW_PASSWORD)).await.unwrap();
    let answer = suite.anonymous().account().confirm_email_change(confirmation(&code)).await;
    assert_eq!(refusal(answer), "FAILED_PRECONDITION CODE_INVALID");
}

#[tokio::test]
async fn delete_account_ends_the_sessions_at_every_service() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let phone = log_in_again(&olga).await;
    call_every_service(&phone).await.unwrap();
    let request = pb::DeleteAccountRequest { password: olga.password.clone() };

    olga.account().delete_account(request).await.unwrap();

    for device in [&olga, &phone] {
        assert_eq!(refused_elsewhere(device).await, "UNAUTHENTICATED SESSION_INVALID");
    }
    let mut auth = suite.anonymous().auth();
    assert_eq!(
        refusal(auth.login(login("olga", &olga.password)).await),
        "UNAUTHENTICATED INVALID_CREDENTIALS"
    );
    assert_eq!(suite.mail_to("olga@example.org", 1).await.subject, "Your account was deleted");
}

#[tokio::test]
async fn no_code_in_the_database_or_its_log_works() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    // No mail leaves, so that what is queued stays to be looked at.
    execute(&suite, "REVOKE UPDATE ON identity.mail_outbox FROM identity_worker").await;
    let request = pb::RequestPasswordResetRequest { email: "olga@example.org".to_owned() };
    suite.anonymous().auth().request_password_reset(request).await.unwrap();
    olga.account().change_password(change(&olga.password, NEW_PASSWORD)).await.unwrap();
    for table in ["account_codes", "mail_outbox", "change_log", "users"] {
        let rows = rows(&suite, table).await;
        assert!(rows.iter().all(|row| !row.contains("dfc_") && !row.contains(NEW_PASSWORD)), "{table}");
    }
}

#[tokio::test]
async fn changes_of_credentials_are_security_events() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    let code = suite.mail_to("olga@example.org", 1).await.code();
    let verify = pb::VerifyEmailRequest { request_id: new_id(), code };
    suite.anonymous().account().verify_email(verify).await.unwrap();
    olga.account().request_email_change(new_address(&olga, "new@example.org")).await.unwrap();
    olga.account().change_password(change(&olga.password, NEW_PASSWORD)).await.unwrap();
    let reset = pb::RequestPasswordResetRequest { email: "olga@example.org".to_owned() };
    suite.anonymous().auth().request_password_reset(reset).await.unwrap();
    let _records = olga.account().export_account(pb::ExportAccountRequest {}).await.unwrap();

    let events = events_of(&olga, &[]).await;

    let kinds: Vec<_> = events.iter().map(pb::SecurityEvent::kind).collect();
    let expected = [
        Kind::AccountExported,
        Kind::PasswordResetRequested,
        Kind::PasswordChanged,
        Kind::EmailChangeRequested,
        Kind::EmailVerified,
        Kind::Registered,
    ];
    assert_eq!(kinds, expected);
    assert!(events.iter().all(|event| event.ip_address == "127.0.0.1"));
}

#[tokio::test]
async fn an_account_with_the_deepest_metadata_can_be_exported() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "n": inner }));
    let update = async |levels: usize| {
        let user = pb::User { metadata: Some(to_struct(&nested(levels))), ..Default::default() };
        olga.account().update_user(pb::UpdateUserRequest { user: Some(user), ..Default::default() }).await
    };
    assert_eq!(violations(&update(MAX_JSON_DEPTH + 1).await.unwrap_err()), ["user.metadata"]);
    update(MAX_JSON_DEPTH).await.unwrap();

    let records = olga.account().export_account(pb::ExportAccountRequest {}).await.unwrap().into_inner();

    let records: Vec<pb::UserRecord> = records.try_collect().await.unwrap();
    let change = |record: &pb::UserRecord| match record.data.as_ref().unwrap() {
        Data::Change(change) => shared::json::from_struct(change.clone()),
        _ => None,
    };
    let changed = records.iter().filter_map(change).map(|change| change["new_values"]["metadata"].clone());
    assert!(changed.collect::<Vec<_>>().contains(&nested(MAX_JSON_DEPTH)));
}

#[tokio::test]
async fn the_email_about_a_new_password_names_the_api_tokens_that_stay() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    api_client(&olga, &["tasks:read"]).await;
    suite.mail_to("olga@example.org", 1).await;
    olga.account().change_password(change(&olga.password, NEW_PASSWORD)).await.unwrap();
    let mail = suite.mail_to("olga@example.org", 2).await;
    assert!(mail.text.contains("- the build (until 20"), "{}", mail.text);

    let change = pb::ChangePasswordRequest {
        revoke_api_tokens: true,
        ..change(NEW_PASSWORD, "another password of hers")
    };
    olga.account().change_password(change).await.unwrap();
    let mail = suite.mail_to("olga@example.org", 3).await;
    assert!(!mail.text.contains("the build") && mail.text.contains("No API token"), "{}", mail.text);
}
