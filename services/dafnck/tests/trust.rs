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
use shared::redis_store::RedisStore;
use shared::service_identity::{PrivateKey, ServiceSigner};
use testkit::{Actor, Suite, keys, new_id, summary, until_ok};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::harness::harness;
use crate::method_rules::{call, channel_for};

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
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

/// Runs a command as the administrator of Redis. A busy machine may need several attempts.
async fn administer<T: redis::FromRedisValue>(suite: &Suite, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let redis = suite.redis();
    until_ok("Redis answers", TIMEOUT, async || redis.query(&command).await).await
}

#[tokio::test]
async fn who_writes_redis_makes_no_session() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let redis = suite.redis();
    let entry = |token: &str| redis.key(&format!("{{session:{}}}", token_hash(token).to_hex()));
    let (genuine, genuine_session) = made_up(olga.id);
    until_ok("a session", TIMEOUT, async || suite.put_session(&genuine, &genuine_session).await).await;
    let genuine_entry: String = administer(&suite, &["GET", &entry(&genuine)]).await;

    // Without a signature, signed with the key of another service, and the entry of another token.
    let (unsigned, session) = made_up(olga.id);
    let text = serde_json::to_string(&session).unwrap();
    administer::<()>(&suite, &["SET", &entry(&unsigned), &text]).await;
    let (of_task, session) = made_up(olga.id);
    let (key, hash) = (key_of("task"), token_hash(&of_task));
    let put = async || redis.put_session(&key, &hash, &session, session.expires_at).await;
    until_ok("an entry", TIMEOUT, put).await;
    let (copied, _) = made_up(olga.id);
    administer::<()>(&suite, &["SET", &entry(&copied), &genuine_entry]).await;
    for token in [unsigned, of_task, copied] {
        assert_eq!(administer::<i64>(&suite, &["EXISTS", &entry(&token)]).await, 1);
        assert_eq!(answers(&suite, &token).await, "UNAUTHENTICATED SESSION_INVALID");
    }

    // What identity has signed is trusted; identity itself does not know this session.
    until_ok("the session works", TIMEOUT, async || match answers(&suite, &genuine).await {
        answer if answer == "OK" => Ok(()),
        answer => Err(answer),
    })
    .await;
}

/// Redis refuses a command for want of permission, however long it takes to answer.
async fn is_refused(redis: &RedisStore, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    until_ok("Redis refuses", TIMEOUT, async || match redis.query::<redis::Value>(&command).await {
        Ok(answer) => panic!("Redis answers {words:?} with {answer:?}"),
        Err(error) if format!("{error:?}").contains("permission") => Ok(()),
        Err(late) => Err(late),
    })
    .await;
}

/// The rights of `deploy/redis/users.acl`, which these servers have as well.
#[tokio::test]
async fn no_service_but_identity_writes_sessions_in_redis() {
    let suite = harness().start().await;
    let (token, session) = made_up(Uuid::now_v7());
    for service in ["project", "task", "content"] {
        let redis = suite.redis_of(service);
        let key = redis.key(&format!("{{session:{}}}", token_hash(&token).to_hex()));
        for words in [["SET", &key, "x"].as_slice(), &["GETEX", "else"], &["KEYS", "*"], &["DEL", &key]] {
            is_refused(&redis, words).await;
        }
    }
    let (own, reader, hash) = (suite.redis_of("identity"), suite.redis_of("task"), token_hash(&token));
    let (key, keys) = (key_of("identity"), keys::principal_keys().parse().unwrap());
    let put = async || own.put_session(&key, &hash, &session, session.expires_at).await;
    until_ok("identity writes a session", TIMEOUT, put).await;
    let get = async || reader.get_session(&keys, &hash, Utc::now()).await;
    assert_eq!(until_ok("task reads it", TIMEOUT, get).await, Some(session));
}
