//! What siblings ask: which users exist, and whose session a token is.

use crate::fixtures::*;
use crate::harness::harness;
use chrono::Utc;
use proto::identity::backend::v1 as pb;
use shared::authentication::{TokenHash, token_hash};
use testkit::*;
use uuid::Uuid;

fn ids(ids: impl IntoIterator<Item = String>) -> pb::ResolveUsersRequest {
    pb::ResolveUsersRequest { user_ids: ids.into_iter().collect() }
}

fn hash(hash: TokenHash) -> pb::ResolveSessionRequest {
    pb::ResolveSessionRequest { token_hash: hash.0.to_vec() }
}

#[tokio::test]
async fn resolve_users_returns_existing_users_to_a_service() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;

    let [olga_id, gus_id] = [olga, gus].map(|actor| actor.id.to_string());
    let request = ids([gus_id.clone(), new_id(), olga_id.clone(), gus_id.clone()]);
    let users =
        suite.as_service("task").user_lookup().resolve_users(request).await.unwrap().into_inner().users;

    let found: Vec<_> = users.into_iter().map(|user| (user.id, user.status)).collect();
    assert_eq!(found, [(gus_id, 1), (olga_id, 1)], "in the order of the request, each once");
}

#[tokio::test]
async fn resolve_users_rejects_malformed_and_too_many_ids() {
    let suite = harness().start().await;
    let mut directory = suite.as_service("task").user_lookup();

    let garbage = directory.resolve_users(ids(["x".to_owned(), new_id()])).await.unwrap_err();
    let too_many = directory.resolve_users(ids((0..1001).map(|_| new_id()))).await.unwrap_err();
    let none = directory.resolve_users(ids([])).await.unwrap().into_inner();

    assert_eq!([violations(&garbage), violations(&too_many)], [["user_ids[0]"], ["user_ids"]]);
    assert_eq!(none.users, []);
}

#[tokio::test]
async fn a_session_that_redis_lost_is_resolved_and_stored_again() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let token = olga.session_token.as_deref().unwrap();
    suite.forget_session(token).await;
    let (token, redis) = (token_hash(token), suite.redis());
    let keys = keys::principal_keys().parse().unwrap();

    let mut sessions = suite.as_service("task").identity_sessions();
    // Each look-up tries, and the first one may be late: new connections take a while.
    until("the session is put back", TIMEOUT, async || {
        let session = sessions.resolve_session(hash(token)).await.unwrap().into_inner();
        assert_eq!(session.user_id, olga.id.to_string());
        redis.get_session(&keys, &token, Utc::now()).await.is_ok_and(|found| found.is_some())
    })
    .await;
}

#[tokio::test]
async fn resolve_session_does_not_find_an_unknown_token() {
    let suite = harness().start().await;
    let mut sessions = suite.as_service("task").identity_sessions();
    let malformed = pb::ResolveSessionRequest { token_hash: vec![1, 2, 3] };

    let unknown = sessions.resolve_session(hash(token_hash("unknown"))).await;
    let malformed = sessions.resolve_session(malformed).await.unwrap_err();

    assert_eq!(refusal(unknown), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(violations(&malformed), ["token_hash"]);
}

#[tokio::test]
async fn resolve_session_does_not_find_a_suspended_users_session() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    execute(&suite, "UPDATE identity.users SET status = 'suspended'").await;

    let token = token_hash(olga.session_token.as_ref().unwrap());
    let answer = suite.as_service("task").identity_sessions().resolve_session(hash(token)).await;

    assert_eq!(refusal(answer), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn users_may_not_call_backend_methods() {
    use proto::identity::backend::v1::user_lookup_service_client::UserLookupServiceClient;
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    for token in [None, olga.session_token] {
        let mut directory =
            UserLookupServiceClient::with_interceptor(suite.channel(Service::Identity), Bearer(token));
        let answer = directory.resolve_users(ids([Uuid::now_v7().to_string()])).await;
        assert_eq!(refusal(answer), "PERMISSION_DENIED AUDIENCE_REFUSED");
    }
}
