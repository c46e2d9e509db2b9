//! Signing in with a second factor.

use crate::fixtures::*;
use crate::harness::harness;
use chrono::TimeDelta;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1 as pb;
use shared::siblings::Sibling;
use testkit::*;

use crate::authenticator::{App, begin, by_code, by_recovery, challenge, complete, confirm, enable, state};

#[tokio::test]
async fn login_with_a_second_factor_takes_a_password_and_a_code() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    assert_eq!(state(&olga).await, (false, 0));
    let begun = begin(&olga).await;
    assert!(begun.otpauth_uri.contains(&begun.secret) && begun.otpauth_uri.contains("olga%40example.org"));
    assert_eq!(state(&olga).await, (false, 0), "nothing is on before it is confirmed");
    let app = App::new(&suite, &begun.secret);
    let codes = confirm(&olga, app.code_in(0)).await.unwrap().into_inner().codes;
    assert_eq!((codes.len(), state(&olga).await), (10, (true, 10)));

    let token = challenge(&olga).await;
    let granted = complete(&suite, &token, by_code(&app.next_code())).await.unwrap().into_inner();

    assert_eq!(granted.user.as_ref().unwrap().id, olga.id.to_string());
    call_every_service(&with_tokens(&olga, &granted)).await.unwrap();
    call_every_service(&olga).await.unwrap();
}

#[tokio::test]
async fn a_code_and_a_challenge_work_once_also_in_concurrent_calls() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, _) = enable(&suite, &olga).await;
    let used = by_code(&app.code_in(0));
    let (first, second) = (challenge(&olga).await, challenge(&olga).await);
    assert_eq!(refusal(complete(&suite, &first, used).await), "UNAUTHENTICATED SECOND_FACTOR_INVALID");

    let code = by_code(&app.next_code());
    let both = tokio::join!(complete(&suite, &first, code.clone()), complete(&suite, &second, code.clone()));

    let won = [both.0.is_ok(), both.1.is_ok()];
    assert_eq!(won.iter().filter(|ok| **ok).count(), 1);
    let (met, lost) = if won[0] { (&first, &second) } else { (&second, &first) };
    let code = by_code(&app.next_code());
    assert_eq!(refusal(complete(&suite, met, code.clone()).await), "UNAUTHENTICATED CHALLENGE_INVALID");
    complete(&suite, lost, code).await.unwrap();
}

#[tokio::test]
async fn a_code_may_be_one_step_early_or_late() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, _) = enable(&suite, &olga).await;
    suite.options.clock.advance(TimeDelta::minutes(2));
    let token = challenge(&olga).await;
    for (off, accepted) in [(-2, false), (2, false), (-1, true)] {
        let answer = complete(&suite, &token, by_code(&app.code_in(off))).await;
        assert_eq!(answer.is_ok(), accepted, "{off} steps off");
    }
    complete(&suite, &challenge(&olga).await, by_code(&app.code_in(1))).await.unwrap();
}

#[tokio::test]
async fn a_challenge_has_five_attempts_and_five_minutes() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, _) = enable(&suite, &olga).await;
    let token = challenge(&olga).await;
    let guesses =
        futures::future::join_all((0..8).map(|_| complete(&suite, &token, by_code("000000")))).await;
    let refusals: Vec<_> = guesses.into_iter().map(refusal).collect();
    let looked_at = refusals.iter().filter(|text| *text == "UNAUTHENTICATED SECOND_FACTOR_INVALID").count();
    assert_eq!(looked_at, 5, "{refusals:?}");
    let answer = complete(&suite, &token, by_code(&app.next_code())).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED CHALLENGE_INVALID");

    let token = challenge(&olga).await;
    suite.options.clock.advance(TimeDelta::minutes(5));
    let answer = complete(&suite, &token, by_code(&app.next_code())).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED CHALLENGE_INVALID");
    for nonsense in ["dfl_x", "x", &olga.refresh_token] {
        let answer = complete(&suite, nonsense, by_code("000000")).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED CHALLENGE_INVALID");
    }
}

#[tokio::test]
async fn more_challenges_allow_no_more_guesses() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, _) = enable(&suite, &olga).await;
    for _ in 0..2 {
        let token = challenge(&olga).await;
        for _ in 0..5 {
            let answer = complete(&suite, &token, by_code("000000")).await;
            assert_eq!(refusal(answer), "UNAUTHENTICATED SECOND_FACTOR_INVALID");
        }
    }
    let token = challenge(&olga).await;
    let answer = complete(&suite, &token, by_code(&app.next_code())).await;
    assert_eq!(refusal(answer), "RESOURCE_EXHAUSTED RATE_LIMITED");
    // An owner who is signed in has attempts of their own.
    let request =
        pb::RemoveSecondFactorRequest { request_id: String::new(), proof: by_code(&app.next_code()) };
    olga.account().remove_second_factor(request).await.unwrap();
}

#[tokio::test]
async fn a_recovery_code_works_once() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (_, codes) = enable(&suite, &olga).await;

    let typed = codes[0].to_lowercase().replace('-', " ");
    complete(&suite, &challenge(&olga).await, by_recovery(&typed)).await.unwrap();

    let token = challenge(&olga).await;
    let answer = complete(&suite, &token, by_recovery(&codes[0])).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED SECOND_FACTOR_INVALID");
    complete(&suite, &token, by_recovery(&codes[1])).await.unwrap();
    assert_eq!(state(&olga).await, (true, 8));
}

#[tokio::test]
async fn new_recovery_codes_replace_the_former() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, former) = enable(&suite, &olga).await;
    let wrong = pb::CreateRecoveryCodesRequest { request_id: String::new(), proof: by_code(&app.code_in(0)) };
    let answer = olga.account().create_recovery_codes(wrong).await;
    assert_eq!(refusal(answer), "PERMISSION_DENIED SECOND_FACTOR_INVALID");

    let request =
        pb::CreateRecoveryCodesRequest { request_id: String::new(), proof: by_code(&app.next_code()) };
    let codes = olga.account().create_recovery_codes(request).await.unwrap().into_inner().codes;

    let token = challenge(&olga).await;
    let answer = complete(&suite, &token, by_recovery(&former[0])).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED SECOND_FACTOR_INVALID");
    complete(&suite, &token, by_recovery(&codes[0])).await.unwrap();
}

#[tokio::test]
async fn without_a_second_factor_a_password_is_enough_again() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (_, codes) = enable(&suite, &olga).await;
    let open = challenge(&olga).await;

    let request = pb::RemoveSecondFactorRequest { request_id: String::new(), proof: by_recovery(&codes[0]) };
    let after = olga.account().remove_second_factor(request).await.unwrap().into_inner();

    assert!(!after.enabled);
    let answer = complete(&suite, &open, by_recovery(&codes[1])).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED CHALLENGE_INVALID");
    let granted = suite.anonymous().auth().login(login("olga", &olga.password)).await.unwrap();
    granted.grant();
    let off = pb::RemoveSecondFactorRequest { request_id: String::new(), proof: by_recovery(&codes[1]) };
    let answer = olga.account().remove_second_factor(off).await;
    assert_eq!(refusal(answer), "FAILED_PRECONDITION SECOND_FACTOR_NOT_ENABLED");
}

#[tokio::test]
async fn enabling_takes_the_password_and_a_code_within_15_minutes() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let wrong =
        pb::BeginSecondFactorRequest { request_id: String::new(), password: "another password".to_owned() };
    let answer = olga.account().begin_second_factor(wrong).await;
    assert_eq!(refusal(answer), "PERMISSION_DENIED PASSWORD_WRONG");
    let answer = confirm(&olga, "000000".to_owned()).await;
    assert_eq!(refusal(answer), "FAILED_PRECONDITION SECOND_FACTOR_NOT_ENABLED");

    let former = App::new(&suite, &begin(&olga).await.secret);
    let app = App::new(&suite, &begin(&olga).await.secret);
    let answer = confirm(&olga, former.code_in(0)).await;
    assert_eq!(refusal(answer), "PERMISSION_DENIED SECOND_FACTOR_INVALID");
    suite.options.clock.advance(TimeDelta::minutes(15));
    let answer = confirm(&olga, app.code_in(0)).await;
    assert_eq!(refusal(answer), "FAILED_PRECONDITION SECOND_FACTOR_NOT_ENABLED");

    let (app, _) = enable(&suite, &olga).await;
    let answer = confirm(&olga, app.next_code()).await;
    assert_eq!(refusal(answer), "FAILED_PRECONDITION SECOND_FACTOR_ENABLED");
    let request = pb::BeginSecondFactorRequest { request_id: String::new(), password: olga.password.clone() };
    let answer = olga.account().begin_second_factor(request).await;
    assert_eq!(refusal(answer), "FAILED_PRECONDITION SECOND_FACTOR_ENABLED");
}

#[tokio::test]
async fn a_retried_registration_is_challenged_like_a_login() {
    let suite = harness().start().await;
    let request = pb::RegisterRequest {
        request_id: new_id(),
        email: "olga@example.org".to_owned(),
        username: "olga".to_owned(),
        password: "correct horse battery".to_owned(),
        ..Default::default()
    };
    let first = suite.anonymous().auth().register(request.clone()).await.unwrap().grant();
    let mut olga = with_tokens(&suite.anonymous(), &first);
    olga.password = request.password.clone();
    enable(&suite, &olga).await;

    let again = suite.anonymous().auth().register(request).await.unwrap();

    again.challenge_token();
}

#[tokio::test]
async fn a_changed_password_ends_open_challenges() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, _) = enable(&suite, &olga).await;
    let token = challenge(&olga).await;
    execute(&suite, "UPDATE identity.users SET password_hash = '!'").await;
    let answer = complete(&suite, &token, by_code(&app.next_code())).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED CHALLENGE_INVALID");
}

#[tokio::test]
async fn an_erased_account_keeps_nothing_of_its_second_factor() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    enable(&suite, &olga).await;
    challenge(&olga).await;
    execute(&suite, "SELECT identity.erase_user(id) FROM identity.users").await;
    let left = "SELECT 'kept' AS line FROM identity.user_second_factors UNION ALL \
        SELECT 'kept' FROM identity.user_recovery_codes UNION ALL \
        SELECT 'kept' FROM identity.second_factor_challenges";
    assert_eq!(lines(&suite, left).await.len(), 0);
}

#[tokio::test]
async fn an_operator_removes_a_lost_second_factor() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    enable(&suite, &olga).await;
    let admin = |name: &str| UserAdminServiceClient::new(suite.as_service(name).channel(Sibling::Identity));
    let request = |user_id: String| admin::RemoveUserSecondFactorRequest { user_id };
    let refused = admin("task").remove_user_second_factor(request(olga.id.to_string())).await;
    assert_eq!(refusal(refused), "PERMISSION_DENIED AUDIENCE_REFUSED");
    let unknown = admin("operator").remove_user_second_factor(request(new_id())).await;
    assert_eq!(refusal(unknown), "NOT_FOUND RESOURCE_NOT_FOUND");

    for was_on in [true, false] {
        let answer = admin("operator-eva").remove_user_second_factor(request(olga.id.to_string())).await;
        assert_eq!(answer.unwrap().into_inner().was_enabled, was_on);
    }

    let granted = suite.anonymous().auth().login(login("olga", &olga.password)).await.unwrap();
    granted.grant();
}

#[tokio::test]
async fn malformed_proofs_name_their_fields() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    for (proof, field) in [
        (None, "proof"),
        (Some(pb::SecondFactorProof { proof: None }), "proof.proof"),
        (by_code("12345"), "proof.code"),
        (by_code("abcdef"), "proof.code"),
        (by_recovery("ABCD"), "proof.recovery_code"),
    ] {
        let refused = complete(&suite, "", proof.clone()).await.unwrap_err();
        assert_eq!(violations(&refused), ["challenge_token", field]);
        let request = pb::RemoveSecondFactorRequest { request_id: String::new(), proof };
        let refused = olga.account().remove_second_factor(request).await.unwrap_err();
        assert_eq!(violations(&refused), [field]);
    }
    let refused = confirm(&olga, "1".to_owned()).await.unwrap_err();
    assert_eq!(violations(&refused), ["code"]);
}

#[tokio::test]
async fn a_secret_of_another_account_or_in_plaintext_is_rejected() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let (app, _) = enable(&suite, &olga).await;
    enable(&suite, &gus).await;
    let of_gus = format!("(SELECT id FROM identity.users WHERE username = '{}')", gus.name);
    for planted in [
        "'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'",
        "(SELECT totp_secret FROM identity.user_second_factors f \
         JOIN identity.users u ON u.id = f.user_id WHERE u.username = 'olga')",
    ] {
        let statement = format!(
            "UPDATE identity.user_second_factors SET totp_secret = {planted} WHERE user_id = {of_gus}"
        );
        execute(&suite, &statement).await;
        let answer = complete(&suite, &challenge(&gus).await, by_code(&app.next_code())).await;
        assert_eq!(refusal(answer), "INTERNAL INTERNAL");
    }
}

#[tokio::test]
async fn a_challenge_survives_the_loss_of_redis() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    let secret = begin(&olga).await.secret;
    confirm(&olga, App::new(&suite, &secret).code_in(0)).await.unwrap();
    let token = challenge(&olga).await;
    suite.servers.as_ref().unwrap().stop_redis().await.unwrap();

    let code = App::new(&suite, &secret).next_code();
    let granted = complete(&suite, &token, by_code(&code)).await.unwrap().into_inner();

    let again = with_tokens(&olga, &granted);
    again.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap();
    let token = challenge(&olga).await;
    for _ in 0..5 {
        let answer = complete(&suite, &token, by_code("000000")).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED SECOND_FACTOR_INVALID");
    }
    let answer = complete(&suite, &token, by_code("000000")).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED CHALLENGE_INVALID");
}
