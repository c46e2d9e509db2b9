//! Exchanging refresh tokens.

use crate::fixtures::*;
use crate::harness::harness;
use proto::identity::v1 as pb;
use testkit::*;
use tonic::{Response, Status};

async fn refresh(actor: &Actor) -> Result<Response<pb::LoginResponse>, Status> {
    let request = pb::RefreshSessionRequest { refresh_token: actor.refresh_token.clone() };
    without_session(actor).auth().refresh_session(request).await
}

async fn refreshed(actor: &Actor) -> Actor {
    with_tokens(actor, &refresh(actor).await.unwrap().into_inner())
}

const AFTER_THE_GRACE: &str =
    "UPDATE identity.user_session_rotations SET rotated_at = rotated_at - interval '31 seconds'";

#[tokio::test]
async fn refresh_rotates_both_tokens_and_keeps_the_session() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    call_every_service(&olga).await.unwrap();

    let granted = refresh(&olga).await.unwrap().into_inner();

    let new = with_tokens(&olga, &granted);
    call_every_service(&new).await.unwrap();
    assert_ne!(new.session_token, olga.session_token);
    assert_ne!(new.refresh_token, olga.refresh_token);
    assert_eq!(granted.user.unwrap().id, olga.id.to_string());
    assert_eq!(list_sessions(&new).await.len(), 1);
    assert_eq!(refusal(olga.auth().who_am_i(pb::WhoAmIRequest {}).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere(&olga).await, "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn concurrent_refreshes_return_the_same_tokens() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;

    let all = futures::future::join_all((0..8).map(|_| refreshed(&olga))).await;

    for one in &all {
        assert_eq!(one.session_token, all[0].session_token);
        assert_eq!(one.refresh_token, all[0].refresh_token);
        call_every_service(one).await.unwrap();
    }
    call_every_service(&refreshed(&all[0]).await).await.unwrap();
}

#[tokio::test]
async fn a_late_reuse_of_a_refresh_token_ends_the_session() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let new = refreshed(&olga).await;
    call_every_service(&new).await.unwrap();
    execute(&suite, AFTER_THE_GRACE).await;

    assert_eq!(refusal(refresh(&olga).await), "UNAUTHENTICATED REFRESH_TOKEN_REUSED");

    assert_eq!(refusal(new.auth().who_am_i(pb::WhoAmIRequest {}).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere(&new).await, "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refusal(refresh(&new).await), "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn a_refresh_token_with_a_used_successor_is_refused_and_ends_nothing() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let second = refreshed(&olga).await;
    let third = refreshed(&second).await;

    assert_eq!(refusal(refresh(&olga).await), "UNAUTHENTICATED SESSION_INVALID");

    call_every_service(&third).await.unwrap();
    call_every_service(&refreshed(&third).await).await.unwrap();
}

#[tokio::test]
async fn a_refresh_works_after_the_session_token_expired() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    execute(&suite, "UPDATE identity.user_sessions SET expires_at = now() - interval '1 day'").await;
    let new = refreshed(&olga).await;
    call_every_service(&new).await.unwrap();
    execute(&suite, "UPDATE identity.user_sessions SET refresh_expires_at = now()").await;
    assert_eq!(refusal(refresh(&new).await), "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn a_malformed_refresh_token_is_refused() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let unknown = format!("dfr_{}", "A".repeat(43));
    let garbage = ["", "dfr_", "\0", &unknown, olga.session_token.as_deref().unwrap(), &"x".repeat(100_000)];
    for token in garbage {
        let mut actor = olga.clone();
        actor.refresh_token = token.to_owned();
        assert_eq!(refusal(refresh(&actor).await), "UNAUTHENTICATED SESSION_INVALID");
    }
}

#[tokio::test]
async fn a_suspended_user_cannot_refresh() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    execute(&suite, "UPDATE identity.users SET status = 'suspended'").await;
    assert_eq!(refusal(refresh(&olga).await), "UNAUTHENTICATED SESSION_INVALID");
}
