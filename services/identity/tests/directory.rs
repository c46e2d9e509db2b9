//! What siblings ask: which users exist, and whose session a token is.

use shared::authentication::token_hash;
use shared::proto::identity::internal::v1 as pb;
use suite::testing::*;

#[tokio::test]
async fn a_sibling_learns_which_users_exist() {
    let suite = Suite::start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;

    let request =
        pb::ResolveUsersRequest { user_ids: vec![olga.id.to_string(), new_id(), gus.id.to_string()] };
    let users = suite.as_service("task").directory().resolve_users(request).await.unwrap().into_inner().users;

    let mut found: Vec<_> = users.into_iter().map(|user| (user.id, user.status)).collect();
    found.sort();
    assert_eq!(found, [(olga.id.to_string(), 1), (gus.id.to_string(), 1)]);
}

#[tokio::test]
async fn a_token_that_redis_forgot_is_resolved_and_put_back() {
    let suite = Suite::start().await;
    let olga = suite.guest("olga").await;
    let hash = token_hash(&olga.session_token.unwrap());
    suite.redis().revoke(&[hash]).await.unwrap();

    let request = pb::ResolveSessionRequest { token_hash: hash.0.to_vec() };
    let mut sessions = suite.as_service("task").identity_sessions();
    let session = sessions.resolve_session(request).await.unwrap().into_inner();

    assert_eq!(session.user_id, olga.id.to_string());
}
#[tokio::test]
async fn probe() {
    use diesel_async::SimpleAsyncConnection;
    let suite = Suite::start().await;
    let mut admin = suite.admin().await;
    let mut conn = suite.connect_as(suite::services::Role::requests_of("identity")).await;
    println!("{:?}", conn.batch_execute("SELECT id, xmin FROM identity.users").await);
    println!("{:?}", admin.batch_execute("GRANT SELECT (xmin) ON identity.users TO identity_service").await);
    println!("{:?}", conn.batch_execute("SELECT id, xmin FROM identity.users").await);
    println!("{:?}", conn.batch_execute("SELECT count(*) FROM identity.users").await);
}
