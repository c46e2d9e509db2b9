//! What becomes of sessions while Redis is away, and after.

use shared::proto::identity::v1 as pb;
use suite::testing::*;

use crate::{PATIENCE, another_device, refusal, refused_elsewhere_within, with_tokens, works_everywhere};

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
