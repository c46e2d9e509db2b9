//! What an attacker can do with the keys of one service, with a recorded call, or with Redis.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use prost::Message as _;
use proto::identity::admin::v1::ListUsersRequest;
use proto::project::backend::v1::GetProjectAccessRequest;
use proto::project::v1::{ListProjectsRequest, ListProjectsResponse};
use shared::authentication::token_hash;
use shared::caller::Session;
use shared::page::{AfterTime, PageTokens};
use shared::service_identity::{PrivateKey, ServiceSigner};
use testkit::{Actor, Suite, keys, new_id, summary};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::harness::harness;
use crate::walk::{call, channel_for};

const LIST_USERS: &str = "/dafnck.identity.admin.v1.UserAdminService/ListUsers";
const GET_ACCESS: &str = "/dafnck.project.backend.v1.AccessService/GetProjectAccess";

fn key_of(name: &str) -> PrivateKey {
    keys::private_key(name).parse().unwrap()
}

async fn outcome(channel: Channel, path: &str, authorization: &str, message: Bytes) -> String {
    call(channel, path, Some(authorization.to_owned()), message)
        .await
        .map_or_else(|status| summary(&status), |_| "OK".to_owned())
}

async fn list_users(suite: &Suite, signer: &ServiceSigner) -> String {
    let message = ListUsersRequest::default().encode_to_vec().into();
    outcome(channel_for(suite, LIST_USERS), LIST_USERS, &signer.authorization(LIST_USERS), message).await
}

#[tokio::test]
async fn the_key_of_a_service_makes_it_neither_another_principal_nor_the_operator() {
    let suite = harness().start().await;
    for service in ["identity", "project", "task", "content", "backend"] {
        let own = ServiceSigner::new(service, key_of(service));
        assert_eq!(list_users(&suite, &own).await, "PERMISSION_DENIED AUDIENCE_REFUSED", "{service}");
        for name in ["operator", "operator-olga", "operator-unknown"] {
            let forged = ServiceSigner::new(name, key_of(service));
            let refusal = list_users(&suite, &forged).await;
            assert_eq!(refusal, "UNAUTHENTICATED SESSION_INVALID", "{service} as {name}");
        }
    }
    assert_eq!(list_users(&suite, &keys::signer("operator")).await, "OK");
}

#[tokio::test]
async fn a_recorded_call_is_accepted_neither_again_nor_for_another_method_nor_at_another_port() {
    let suite = harness().with_gateway().start().await;
    let authorization = keys::signer("task").authorization(GET_ACCESS);
    let message = || -> Bytes {
        GetProjectAccessRequest { project_id: new_id(), known_revision: 0 }.encode_to_vec().into()
    };
    let at = async |channel, path: &str| outcome(channel, path, &authorization, message()).await;

    let (project, gateway) = (channel_for(&suite, GET_ACCESS), suite.gateway_channel());
    assert_eq!(at(project.clone(), GET_ACCESS).await, "OK");
    assert_eq!(at(project.clone(), GET_ACCESS).await, "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(at(gateway, GET_ACCESS).await, "UNAUTHENTICATED SESSION_INVALID");

    let unused = keys::signer("task").authorization(GET_ACCESS);
    let watch = "/dafnck.project.backend.v1.AccessService/WatchProjectAccess";
    assert_eq!(outcome(project, watch, &unused, Bytes::new()).await, "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn a_service_derives_no_token_of_another_service() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    for name in ["one", "two"] {
        olga.project(name).await;
    }
    let first = ListProjectsRequest { page_size: 1, ..ListProjectsRequest::default() };
    let ListProjectsResponse { next_page_token, .. } =
        olga.projects().list_projects(first.clone()).await.unwrap().into_inner();
    assert!(!next_page_token.is_empty());
    let [own, other] =
        ["project", "task"].map(|service| PageTokens::new(&keys::derivation_secret(service).as_str().into()));
    let position = AfterTime { at: DateTime::UNIX_EPOCH, id: Uuid::nil() };
    let query = "a query of both";
    let token = |tokens: &PageTokens| tokens.cut(query, 1, &mut vec![(), ()], |()| position).unwrap();
    assert!(own.read::<AfterTime>(query, 1, &token(&own)).is_ok());
    assert!(own.read::<AfterTime>(query, 1, &token(&other)).is_err());
}

/// A session of this user, for a token that nobody was given.
fn made_up(user: Uuid) -> (String, Session) {
    let session = Session {
        session_id: Uuid::now_v7(),
        user_id: user,
        expires_at: Utc::now() + TimeDelta::hours(1),
        scopes: None,
    };
    (format!("dfs_{:0<43}", Uuid::now_v7().simple().to_string()), session)
}

async fn answers(suite: &Suite, token: &str) -> String {
    let mut actor: Actor = suite.anonymous();
    actor.session_token = Some(token.to_owned());
    let listed = actor.projects().list_projects(ListProjectsRequest::default()).await;
    listed.map_or_else(|status| summary(&status), |_| "OK".to_owned())
}

#[tokio::test]
async fn who_writes_redis_makes_no_session() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let redis = suite.redis();
    let entry = |token: &str| redis.key(&format!("{{session:{}}}", token_hash(token).to_hex()));
    let write = async |token: &str, text: &str| {
        let mut command = redis::cmd("SET");
        redis.query::<()>(command.arg(entry(token)).arg(text)).await.unwrap();
    };

    // As the JSON that it is inside of an entry, without a signature.
    let (token, session) = made_up(olga.id);
    write(&token, &serde_json::to_string(&session).unwrap()).await;
    assert_eq!(answers(&suite, &token).await, "UNAUTHENTICATED SESSION_INVALID");

    // Signed with the key of another service.
    let (token, session) = made_up(olga.id);
    redis.put_session(&key_of("task"), &token_hash(&token), &session, session.expires_at).await.unwrap();
    assert_eq!(answers(&suite, &token).await, "UNAUTHENTICATED SESSION_INVALID");

    // The entry of a session that exists, for another token.
    let genuine = entry(olga.session_token.as_deref().unwrap());
    let copied: String = redis.query(redis::cmd("GET").arg(genuine)).await.unwrap();
    let (token, _) = made_up(olga.id);
    write(&token, &copied).await;
    assert_eq!(answers(&suite, &token).await, "UNAUTHENTICATED SESSION_INVALID");

    // One of identity's own that is kept beyond its time, which Redis cannot count then.
    let (token, session) = made_up(olga.id);
    suite
        .put_session(&token, &Session { expires_at: Utc::now() + TimeDelta::seconds(1), ..session })
        .await
        .unwrap();
    redis.query::<()>(redis::cmd("PERSIST").arg(entry(&token))).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(answers(&suite, &token).await, "UNAUTHENTICATED SESSION_INVALID");

    // What identity has signed is believed.
    let (token, session) = made_up(olga.id);
    suite.put_session(&token, &session).await.unwrap();
    assert_eq!(answers(&suite, &token).await, "OK");
}

/// The rights of `deploy/redis/users.acl`, which these servers have as well.
#[tokio::test]
async fn no_service_but_identity_writes_sessions_in_redis() {
    let suite = harness().start().await;
    let (token, session) = made_up(Uuid::now_v7());
    for service in ["project", "task", "content"] {
        let redis = suite.redis_of(service);
        let identity = key_of("identity");
        let put = redis.put_session(&identity, &token_hash(&token), &session, session.expires_at).await;
        assert!(put.is_err(), "{service} writes sessions");
        let stranger: Result<Option<String>, _> = redis.query(redis::cmd("GETEX").arg("else")).await;
        assert!(stranger.is_err(), "{service} reads everything");
        let keys: Result<Vec<String>, _> = redis.query(redis::cmd("KEYS").arg("*")).await;
        assert!(keys.is_err(), "{service} lists keys");
    }
    suite
        .redis_of("identity")
        .put_session(&key_of("identity"), &token_hash(&token), &session, session.expires_at)
        .await
        .unwrap();
    let found = suite.redis_of("task");
    let keys = keys::principal_keys().parse().unwrap();
    assert_eq!(found.get_session(&keys, &token_hash(&token), Utc::now()).await.unwrap(), Some(session));
}
