//! What becomes of sessions while Redis is away, and after.

use shared::proto::identity::v1 as pb;
use suite::testing::*;

use crate::api_tokens::program;
use crate::authenticator::{App, begin, by_code, by_recovery, challenge, complete, confirm};
use crate::{
    PATIENCE, another_device, refusal, refused_elsewhere_within, sign_up, with_tokens, works_everywhere,
};

#[tokio::test]
async fn without_redis_people_sign_in_refresh_and_stay_signed_in() {
    let suite = Suite::start_alone().await;
    let olga = suite.user("olga").await;
    works_everywhere(&olga).await.unwrap();
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();
    works_everywhere(&olga).await.unwrap();
    let other = another_device(&olga).await;
    works_everywhere(&other).await.unwrap();
    let request = pb::RefreshSessionRequest { refresh_token: other.refresh_token.clone() };
    let refreshed = suite.anonymous().auth().refresh_session(request).await.unwrap().into_inner();
    let other = with_tokens(&other, &refreshed);
    works_everywhere(&other).await.unwrap();

    servers.start_redis().await.unwrap();
    for actor in [&olga, &other] {
        works_everywhere(actor).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_revoked_without_redis_ends_here_at_once_and_elsewhere_soon() {
    let suite = Suite::start_alone().await;
    let olga = suite.user("olga").await;
    works_everywhere(&olga).await.unwrap();
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();
    olga.auth().logout(pb::LogoutRequest {}).await.unwrap();

    assert_eq!(refusal(olga.auth().who_am_i(pb::WhoAmIRequest {}).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere_within(&olga, PATIENCE).await, "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn guessing_is_limited_without_redis() {
    let suite = Suite::start_alone().await;
    suite.servers.as_ref().unwrap().stop_redis().await.unwrap();
    let mut auth = suite.anonymous().auth();
    for _ in 0..10 {
        let answer = auth.login(crate::login("olga", "a wrong password")).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED BAD_CREDENTIALS");
    }
    let answer = auth.login(crate::login("olga", "a wrong password")).await;
    assert_eq!(refusal(answer), "RESOURCE_EXHAUSTED RATE_LIMITED");
}

/// Everything is begun with Redis, done without it, and looked at when it is back and empty.
#[tokio::test]
async fn no_flow_is_stopped_by_the_loss_of_redis() {
    let suite = Suite::start_alone().await;
    let olga = suite.user("olga").await;
    let mut account = suite.anonymous().account();
    sign_up::begin(&suite, "ina@example.org").await;
    let to_sign_up = suite.mail_to("ina@example.org", 1).await.code();
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    let to_verify = suite.mail_to("olga@example.org", 1).await.code();
    let app = App::new(&suite, &begin(&olga).await.secret);
    let scopes = ["identity:read", "project:read"];
    let (kept, _) = program(&olga, &scopes).await;
    let (lost, lost_token) = program(&olga, &scopes).await;
    for program in [&kept, &lost] {
        works_everywhere(program).await.unwrap();
    }
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();

    let completion = sign_up::completion(&to_sign_up);
    let completion = pb::CompleteSignUpRequest { username: "ina".to_owned(), ..completion };
    let ina = suite.anonymous().sign_up().complete_sign_up(completion).await.unwrap().into_inner();
    let ina = with_tokens(&suite.anonymous(), &ina);
    works_everywhere(&ina).await.unwrap();
    sign_up::begin(&suite, "tom@example.org").await;
    let verify = pb::VerifyEmailRequest { request_id: new_id(), code: to_verify };
    account.verify_email(verify).await.unwrap();
    let new_email = "new@example.org".to_owned();
    let request = pb::RequestEmailChangeRequest { password: olga.password.clone(), new_email };
    olga.account().request_email_change(request).await.unwrap();

    let codes = confirm(&olga, app.code_in(0)).await.unwrap().into_inner().codes;
    let by_app = complete(&suite, &challenge(&olga).await, by_code(&app.next_code())).await.unwrap();
    works_everywhere(&with_tokens(&olga, &by_app.into_inner())).await.unwrap();
    let recovered = complete(&suite, &challenge(&olga).await, by_recovery(&codes[0])).await.unwrap();
    let recovered = with_tokens(&olga, &recovered.into_inner());
    works_everywhere(&recovered).await.unwrap();
    let open = challenge(&olga).await;

    let (late, _) = program(&olga, &scopes).await;
    let listed = olga.api_tokens().list_api_tokens(pb::ListApiTokensRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().api_tokens.len(), 3);
    let revoke = pb::RevokeApiTokenRequest { api_token_id: lost_token.id };
    olga.api_tokens().revoke_api_token(revoke).await.unwrap();
    for program in [&kept, &late] {
        works_everywhere(program).await.unwrap();
    }
    assert_eq!(refusal(lost.auth().who_am_i(pb::WhoAmIRequest {}).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere_within(&lost, PATIENCE).await, "UNAUTHENTICATED SESSION_INVALID");

    servers.start_redis().await.unwrap();

    for actor in [&olga, &ina, &recovered, &kept, &late] {
        works_everywhere(actor).await.unwrap();
    }
    assert_eq!(summary(&works_everywhere(&lost).await.unwrap_err()), "UNAUTHENTICATED SESSION_INVALID");
    complete(&suite, &open, by_code(&app.next_code())).await.unwrap();
    let code = suite.mail_to("new@example.org", 1).await.code();
    let request = pb::ConfirmEmailChangeRequest { request_id: new_id(), code };
    account.confirm_email_change(request).await.unwrap();
    let completion = sign_up::completion(&suite.mail_to("tom@example.org", 1).await.code());
    let completion = pb::CompleteSignUpRequest { username: "tom".to_owned(), ..completion };
    suite.anonymous().sign_up().complete_sign_up(completion).await.unwrap();
    let proof = by_recovery(&codes[1]);
    let request = pb::RemoveSecondFactorRequest { request_id: new_id(), proof };
    olga.second_factor().remove_second_factor(request).await.unwrap();
    another_device(&olga).await;
}
