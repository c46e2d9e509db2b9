//! `dafnck end-sessions` as a process: nobody is signed in any more, whoever remembers them.

use crate::harness::harness;
use chrono::{TimeDelta, Utc};
use proto::identity::v1 as identity;
use proto::identity::v1::login_response;
use proto::project::v1::ListProjectsRequest;
use shared::caller::Session;
use testkit::{Actor, Suite, Topology, new_id, summary, until_ok};
use tonic::{Response, Status};
use uuid::Uuid;

use crate::dafnck::dafnck;
use crate::topologies::until_refused;

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// Ends everything and answers what the command says.
async fn end_sessions(suite: &Suite) -> String {
    let variables = [
        ("DAFNCK_ADMIN_URL", suite.admin_url.expose()),
        ("DAFNCK_REDIS_URL", suite.options.redis_url.expose()),
        ("DAFNCK_REDIS_KEY_PREFIX", &suite.options.redis_key_prefix),
    ];
    let ran = dafnck(&["end-sessions", "--yes"], &variables).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out
}

/// The same person on another device, signed in there.
pub async fn another_device(who: &Actor) -> Actor {
    let mut actor = who.clone();
    actor.session_token = None;
    let (login, password) = (who.name.clone(), who.password.clone());
    let request = identity::LoginRequest { login, password, ..Default::default() };
    let answer = actor.auth().login(request).await.unwrap().into_inner();
    let Some(login_response::Result::SessionGrant(grant)) = answer.result else { panic!("no session") };
    let tokens = grant.tokens.unwrap();
    actor.session_token = Some(tokens.session_token);
    actor.refresh_token = tokens.refresh_token;
    actor
}

/// A program of somebody's.
async fn program(of: &Actor) -> Actor {
    let request = identity::CreateApiTokenRequest {
        request_id: new_id(),
        api_token: Some(identity::ApiToken {
            name: "the build".to_owned(),
            scopes: vec!["projects:*".to_owned()],
            expires_at: Some(prost_types::Timestamp {
                seconds: (Utc::now() + TimeDelta::days(30)).timestamp(),
                nanos: 0,
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = of.account().create_api_token(request).await.unwrap().into_inner();
    under(of, made.token)
}

/// The same person with another token.
fn under(who: &Actor, token: String) -> Actor {
    let mut actor = who.clone();
    actor.session_token = Some(token);
    actor
}

/// Somebody whose session only Redis knows, as after the database went back to a time before it.
async fn forgotten(suite: &Suite, who: &Actor) -> Actor {
    let token = format!("dfs_{:0<43}", Uuid::now_v7().simple().to_string());
    let session = Session {
        session_id: Uuid::now_v7(),
        user_id: who.id,
        expires_at: Utc::now() + TimeDelta::hours(1),
        scopes: None,
    };
    // A busy machine may not answer within the patience that calls have.
    until_ok("Redis keeps a session", TIMEOUT, async || suite.put_session(&token, &session).await).await;
    under(who, token)
}

async fn asks(who: &Actor) -> Result<(), Status> {
    who.projects().list_projects(ListProjectsRequest::default()).await.map(drop)
}

fn refusal<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> String {
    summary(&answer.unwrap_err())
}

#[tokio::test]
async fn everybody_signs_in_anew_and_codes_that_were_mailed_are_worth_nothing() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let reset = identity::RequestPasswordResetRequest { email: "olga@example.org".to_owned() };
    suite.anonymous().auth().request_password_reset(reset).await.unwrap();
    let code = suite.mail_to("olga@example.org", 1).await.code();
    let all =
        [olga.clone(), another_device(&olga).await, program(&olga).await, forgotten(&suite, &olga).await];
    for who in &all {
        asks(who).await.unwrap();
    }

    let said = end_sessions(&suite).await;

    assert_eq!(
        said,
        "ended 2 sessions, 1 API tokens and 1 codes\n4 sessions and tokens no longer count in Redis\n"
    );
    for who in &all {
        until_refused("a token", "UNAUTHENTICATED SESSION_INVALID", async || asks(who).await).await;
    }
    let refresh = identity::RefreshSessionRequest { refresh_token: olga.refresh_token.clone() };
    let refused = refusal(suite.anonymous().auth().refresh_session(refresh).await);
    assert_eq!(refused, "UNAUTHENTICATED SESSION_INVALID");
    let new_password = "battery staple horse".to_owned();
    let late = identity::ResetPasswordRequest { request_id: new_id(), code, new_password };
    let refused = refusal(suite.anonymous().auth().reset_password(late).await);
    assert_eq!(refused, "FAILED_PRECONDITION CODE_INVALID");

    let olga = another_device(&olga).await;
    asks(&olga).await.unwrap();
    let kinds = vec![identity::SecurityEventKind::AllSessionsRevoked.into()];
    let request = identity::ListSecurityEventsRequest {
        filter: Some(identity::SecurityEventFilter { kinds, ..Default::default() }),
        ..Default::default()
    };
    let events = olga.account().list_security_events(request).await.unwrap().into_inner().events;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let told = ["act", "sessions", "api_tokens", "codes"].map(|key| event.details[key].as_str());
    assert_eq!(told, ["end-sessions", "2", "1", "1"]);

    assert_eq!(
        end_sessions(&suite).await.lines().next().unwrap(),
        "ended 1 sessions, 0 API tokens and 0 codes"
    );
}

#[tokio::test]
async fn sessions_on_all_masters_of_a_redis_cluster_end() {
    let suite = harness().start_in(Topology::CLUSTER).await;
    let olga = suite.guest("olga").await;
    let mut all = Vec::new();
    for _ in 0..12 {
        all.push(forgotten(&suite, &olga).await);
    }
    let said = end_sessions(&suite).await;
    assert_eq!(
        said,
        "ended 1 sessions, 0 API tokens and 0 codes\n13 sessions and tokens no longer count in Redis\n"
    );
    for who in &all {
        until_refused("a token", "UNAUTHENTICATED SESSION_INVALID", async || asks(who).await).await;
    }
}

#[tokio::test]
async fn who_cannot_reach_redis_is_told_what_still_works() {
    let suite = harness().start().await;
    let variables =
        [("DAFNCK_ADMIN_URL", suite.admin_url.expose()), ("DAFNCK_REDIS_URL", "redis://127.0.0.1:1")];
    let ran = dafnck(&["end-sessions", "--yes"], &variables).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    let told = "ended 0 sessions, 0 API tokens and 0 codes in the database, but Redis still holds copies of sessions, \
                which work until their end";
    assert!(ran.err.contains(told), "{ran:?}");
}
