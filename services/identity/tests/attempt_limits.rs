//! Limits on guessing passwords.

use crate::fixtures::*;
use crate::harness::harness;
use proto::identity::v1 as pb;
use testkit::*;
use tonic_types::StatusExt as _;

const MAX_FAILURES: usize = 10;

/// Guesses at olga's password until both of her names are locked.
async fn lock_out(suite: &Suite) {
    let mut auth = suite.anonymous().auth();
    for name in ["olga", "olga@example.org"] {
        for _ in 0..=MAX_FAILURES {
            auth.login(login(name, "a wrong password")).await.unwrap_err();
        }
    }
}

fn login_from(device_token: &str, name: &str, password: &str) -> pb::LoginRequest {
    pb::LoginRequest { device_token: device_token.to_owned(), ..login(name, password) }
}

#[tokio::test]
async fn an_account_is_locked_after_ten_wrong_passwords() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut auth = suite.anonymous().auth();
    for attempt in 0..MAX_FAILURES {
        let name = if attempt % 2 == 0 { "olga" } else { "Olga" };
        let answer = auth.login(login(name, "a wrong password")).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
    }

    let refused = auth.login(login("olga", &olga.password)).await.unwrap_err();

    assert_eq!(summary(&refused), "RESOURCE_EXHAUSTED RATE_LIMITED");
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!((1..=900).contains(&wait.as_secs()), "{wait:?}");
    let gus = suite.user("gus").await;
    auth.login(login("gus", &gus.password)).await.unwrap();
}

#[tokio::test]
async fn a_lockout_does_not_tell_that_an_address_and_a_username_are_one_account() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    let mut auth = suite.anonymous().auth();
    for _ in 0..MAX_FAILURES {
        auth.login(login("olga@example.org", "a wrong password")).await.unwrap_err();
    }
    let by_address = refusal(auth.login(login("olga@example.org", "a wrong password")).await);
    let by_username = refusal(auth.login(login("olga", "a wrong password")).await);
    assert_eq!(by_address, "RESOURCE_EXHAUSTED RATE_LIMITED");
    assert_eq!(by_username, "UNAUTHENTICATED INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_locked_account_can_be_changed_by_its_owner_who_is_signed_in() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    lock_out(&suite).await;
    let change = |old: &str| pb::ChangePasswordRequest {
        old_password: old.to_owned(),
        new_password: "battery staple horse".to_owned(),
        ..Default::default()
    };
    olga.account().change_password(change(&olga.password)).await.unwrap();
}

#[tokio::test]
async fn a_known_device_signs_in_while_its_account_is_locked() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut auth = suite.anonymous().auth();
    let device_token = auth.login(login("olga", &olga.password)).await.unwrap().grant().device_token;
    lock_out(&suite).await;
    for name in ["olga", "olga@example.org"] {
        let unknown = auth.login(login(name, &olga.password)).await;
        assert_eq!(refusal(unknown), "RESOURCE_EXHAUSTED RATE_LIMITED");

        let known = auth.login(login_from(&device_token, name, &olga.password)).await.unwrap().grant();

        assert_eq!(known.user.unwrap().id, olga.id.to_string());
    }
    let stranger = auth.login(login("olga", &olga.password)).await;
    assert_eq!(refusal(stranger), "RESOURCE_EXHAUSTED RATE_LIMITED");
}

#[tokio::test]
async fn a_device_stays_known_after_its_session_is_refreshed_and_ended() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut auth = suite.anonymous().auth();
    let grant = auth.login(login("olga", &olga.password)).await.unwrap().grant();
    let refresh_token = grant.tokens.unwrap().refresh_token;
    let refreshed = auth.refresh_session(pb::RefreshSessionRequest { refresh_token }).await.unwrap();
    let refreshed = refreshed.into_inner();
    assert_eq!(refreshed.device_token, grant.device_token);
    with_tokens(&olga, &refreshed).auth().logout(pb::LogoutRequest {}).await.unwrap();
    lock_out(&suite).await;

    auth.login(login_from(&grant.device_token, "olga", &olga.password)).await.unwrap();
}

#[tokio::test]
async fn a_known_device_has_ten_guesses_and_the_password_is_still_needed() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut auth = suite.anonymous().auth();
    let device_token = auth.login(login("olga", &olga.password)).await.unwrap().grant().device_token;
    for _ in 0..MAX_FAILURES {
        let guess = auth.login(login_from(&device_token, "olga", "a wrong password")).await;
        assert_eq!(refusal(guess), "UNAUTHENTICATED INVALID_CREDENTIALS");
    }
    let guess = auth.login(login_from(&device_token, "olga@example.org", &olga.password)).await;
    assert_eq!(refusal(guess), "RESOURCE_EXHAUSTED RATE_LIMITED");
    auth.login(login("olga", &olga.password)).await.unwrap();
}

#[tokio::test]
async fn a_device_token_of_another_user_unlocks_nothing() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let mut auth = suite.anonymous().auth();
    let device_token = auth.login(login("gus", &gus.password)).await.unwrap().grant().device_token;
    lock_out(&suite).await;

    let answer = auth.login(login_from(&device_token, "olga", &olga.password)).await;

    assert_eq!(refusal(answer), "RESOURCE_EXHAUSTED RATE_LIMITED");
}

#[tokio::test]
async fn guesses_in_one_session_are_limited_and_leave_other_sessions_alone() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let stolen = log_in_again(&olga).await;
    let delete = |password: &str| pb::DeleteAccountRequest { password: password.to_owned() };
    for _ in 0..MAX_FAILURES {
        let guess = stolen.account().delete_account(delete("a wrong password")).await;
        assert_eq!(refusal(guess), "PERMISSION_DENIED PASSWORD_WRONG");
    }
    let guess = stolen.account().delete_account(delete(&olga.password)).await;
    assert_eq!(refusal(guess), "RESOURCE_EXHAUSTED RATE_LIMITED");
    olga.account().delete_account(delete(&olga.password)).await.unwrap();
}

#[tokio::test]
async fn an_unknown_account_is_limited_like_a_known_one() {
    let suite = harness().start().await;
    let mut auth = suite.anonymous().auth();
    for _ in 0..MAX_FAILURES {
        let answer = auth.login(login("nobody", "a wrong password")).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
    }
    let answer = auth.login(login("Nobody", "a wrong password")).await;
    assert_eq!(refusal(answer), "RESOURCE_EXHAUSTED RATE_LIMITED");
}

#[tokio::test]
async fn a_login_resets_the_failures_of_its_account() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut auth = suite.anonymous().auth();
    for _ in 0..2 {
        for _ in 0..MAX_FAILURES - 1 {
            auth.login(login("olga", "a wrong password")).await.unwrap_err();
        }
        auth.login(login("olga", &olga.password)).await.unwrap();
    }
}

#[tokio::test]
async fn concurrent_guesses_are_limited_like_sequential_ones() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    let guesses = (0..20).map(|_| {
        let mut auth = suite.anonymous().auth();
        async move { refusal(auth.login(login("olga", "a wrong password")).await) }
    });
    let refusals = futures::future::join_all(guesses).await;
    let looked_at = refusals.iter().filter(|text| *text == "UNAUTHENTICATED INVALID_CREDENTIALS").count();
    assert_eq!(looked_at, MAX_FAILURES);
}

#[tokio::test]
async fn reset_requests_and_guesses_at_codes_are_limited() {
    let suite = behind_a_proxy().await;
    let mut account = suite.anonymous().auth();
    let ask = |email: &str| pb::RequestPasswordResetRequest { email: email.to_owned() };
    for number in 0..5 {
        account
            .request_password_reset(from(&format!("192.0.2.{number}"), ask("olga@example.org")))
            .await
            .unwrap();
    }
    let sixth = account.request_password_reset(from("192.0.2.5", ask("Olga@example.org"))).await;
    assert_eq!(refusal(sixth), "RESOURCE_EXHAUSTED RATE_LIMITED");
    account.request_password_reset(from("192.0.2.5", ask("gus@example.org"))).await.unwrap();

    let guess = || pb::ResetPasswordRequest {
        request_id: new_id(),
        code: format!("dfc_{}", "A".repeat(43)),
        new_password: "a password of the thief".to_owned(),
    };
    for _ in 0..100 {
        let answer = account.reset_password(from("192.0.2.1", guess())).await;
        assert_eq!(refusal(answer), "FAILED_PRECONDITION CODE_INVALID");
    }
    let answer = account.reset_password(from("192.0.2.1", guess())).await;
    assert_eq!(refusal(answer), "RESOURCE_EXHAUSTED RATE_LIMITED");
    let elsewhere = account.reset_password(from("192.0.2.2", guess())).await;
    assert_eq!(refusal(elsewhere), "FAILED_PRECONDITION CODE_INVALID");
}

#[tokio::test]
async fn a_new_password_by_code_ends_the_lockouts_of_the_account() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    let mut auth = suite.anonymous().auth();
    lock_out(&suite).await;
    let code = backend(&suite).create_password_reset_code(returned_reset("olga@example.org")).await;
    let reset = pb::ResetPasswordRequest {
        code: code.unwrap().into_inner().code.unwrap(),
        new_password: "battery staple horse".to_owned(),
        ..Default::default()
    };

    auth.reset_password(reset).await.unwrap();

    for name in ["Olga", "olga@example.org"] {
        auth.login(login(name, "battery staple horse")).await.unwrap();
    }
}
