//! Actors, requests and look-ups that several test files share.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use futures::StreamExt as _;
use prost_types::Timestamp;
use proto::common::CodeDelivery;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::security_admin_service_client::SecurityAdminServiceClient;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::backend::v1::account_code_service_client::AccountCodeServiceClient;
use proto::identity::backend::v1::create_password_reset_code_request::Account;
use proto::identity::backend::v1::{CreatePasswordResetCodeRequest, CreateSignUpCodeRequest};
use proto::identity::v1 as pb;
use proto::identity::v1::SecurityEventKind as Kind;
use proto::identity::v1::login_response::Result as LoginResult;
use proto::identity::v1::who_am_i_response::Credential;
use proto::project::v1::ListProjectsRequest;
use shared::siblings::{Sibling, SiblingChannel};
use testkit::*;
use tonic::{Request, Response, Status};

use crate::harness::harness;

/// How long to wait for background work.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The code and reason of a refused call.
pub fn refusal<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> String {
    summary(&answer.unwrap_err())
}

pub fn login(login: &str, password: &str) -> pb::LoginRequest {
    pb::LoginRequest { login: login.to_owned(), password: password.to_owned(), ..Default::default() }
}

/// The result of a login.
pub trait LoginOutcome: Sized {
    fn result(self) -> LoginResult;

    fn grant(self) -> pb::SessionGrant {
        match self.result() {
            LoginResult::SessionGrant(grant) => grant,
            challenge => panic!("{challenge:?}"),
        }
    }

    fn challenge_token(self) -> String {
        match self.result() {
            LoginResult::SecondFactorChallenge(challenge) => challenge.challenge_token,
            grant => panic!("{grant:?}"),
        }
    }
}

impl LoginOutcome for pb::LoginResponse {
    fn result(self) -> LoginResult {
        self.result.unwrap()
    }
}

impl LoginOutcome for Response<pb::LoginResponse> {
    fn result(self) -> LoginResult {
        self.into_inner().result()
    }
}

/// The session of the caller.
pub async fn session_of(actor: &Actor) -> pb::Session {
    match actor.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap().into_inner().credential.unwrap() {
        Credential::Session(session) => session,
        token => panic!("{token:?}"),
    }
}

/// The same user with these tokens.
pub fn with_tokens(actor: &Actor, grant: &pb::SessionGrant) -> Actor {
    let tokens = grant.tokens.clone().unwrap();
    let mut actor = actor.clone();
    actor.session_token = Some(tokens.session_token);
    actor.refresh_token = tokens.refresh_token;
    actor
}

/// A session of the same user on another device.
pub async fn log_in_again(actor: &Actor) -> Actor {
    let response = without_session(actor).auth().login(login(&actor.name, &actor.password)).await;
    with_tokens(actor, &response.unwrap().grant())
}

pub fn without_session(actor: &Actor) -> Actor {
    let mut actor = actor.clone();
    actor.session_token = None;
    actor
}

pub async fn list_sessions(actor: &Actor) -> Vec<pb::Session> {
    let request = pb::ListSessionsRequest::default();
    actor.account().list_sessions(request).await.unwrap().into_inner().sessions
}

/// Calls identity and another service.
pub async fn call_every_service(actor: &Actor) -> Result<(), Status> {
    actor.auth().who_am_i(pb::WhoAmIRequest {}).await?;
    actor.projects().list_projects(ListProjectsRequest::default()).await?;
    Ok(())
}

/// The refusal of another service, once the revocation has reached it through Redis.
pub async fn refused_elsewhere(actor: &Actor) -> String {
    refused_elsewhere_within(actor, Duration::from_secs(1)).await
}

pub async fn refused_elsewhere_within(actor: &Actor, timeout: Duration) -> String {
    let start = Instant::now();
    loop {
        match actor.projects().list_projects(ListProjectsRequest::default()).await {
            Err(status) if reason_of(&status) == "SESSION_INVALID" => return summary(&status),
            _ => assert!(start.elapsed() < timeout, "still not refused"),
        }
    }
}

/// Changes the database directly.
pub async fn execute(suite: &Suite, statement: &str) {
    suite.execute(statement).await;
}

/// All rows of a table, as text.
pub async fn rows(suite: &Suite, table: &str) -> Vec<String> {
    let rows = lines(suite, &format!("SELECT t::text AS line FROM identity.{table} t")).await;
    assert!(!rows.is_empty(), "{table} is empty");
    rows
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The column `line` of each row.
pub async fn lines(suite: &Suite, statement: &str) -> Vec<String> {
    let rows: Vec<Line> = sql_query(statement).load(&mut suite.admin().await).await.unwrap();
    rows.into_iter().map(|row| row.line).collect()
}

pub async fn rotate_keys(suite: &Suite) -> Vec<admin::RotateKeysResponse> {
    let mut keys = SecurityAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Identity));
    let answers = keys.rotate_keys(admin::RotateKeysRequest {}).await.unwrap().into_inner();
    answers.map(Result::unwrap).collect().await
}

/// A request that a proxy forwards from this address.
pub fn from<T>(address: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-forwarded-for", address.parse().unwrap());
    request
}

pub async fn behind_a_proxy() -> Suite {
    harness()
        .start_with(|options| options.proxies.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
        .await
}

pub type UserAdmin = UserAdminServiceClient<SiblingChannel>;

pub fn user_admin_as(suite: &Suite, principal: &str) -> UserAdmin {
    UserAdminServiceClient::new(suite.as_service(principal).channel(Sibling::Identity))
}

pub fn operator(suite: &Suite) -> UserAdmin {
    user_admin_as(suite, "operator-eva")
}

pub fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: time.timestamp(), nanos: 0 }
}

pub fn create_api_token_request(scopes: &[&str]) -> pb::CreateApiTokenRequest {
    let api_token = pb::ApiToken {
        name: "the build".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        expires_at: Some(timestamp(Utc::now() + TimeDelta::days(30))),
        ..Default::default()
    };
    pb::CreateApiTokenRequest { request_id: new_id(), api_token: Some(api_token), ..Default::default() }
}

/// A program that acts for a user.
pub async fn api_client(actor: &Actor, scopes: &[&str]) -> (Actor, pb::ApiToken) {
    let made = actor.account().create_api_token(create_api_token_request(scopes)).await.unwrap().into_inner();
    let mut program = actor.clone();
    program.session_token = Some(made.token);
    (program, made.api_token.unwrap())
}

pub fn backend(suite: &Suite) -> AccountCodeServiceClient<SiblingChannel> {
    AccountCodeServiceClient::new(suite.as_service("backend-shop").channel(Sibling::Identity))
}

pub fn returned_reset(email: &str) -> CreatePasswordResetCodeRequest {
    CreatePasswordResetCodeRequest {
        account: Some(Account::Email(email.to_owned())),
        delivery: CodeDelivery::Response.into(),
    }
}

pub async fn begin_sign_up(suite: &Suite, email: &str) -> pb::BeginSignUpResponse {
    let request = pb::BeginSignUpRequest { email: email.to_owned() };
    suite.anonymous().auth().begin_sign_up(request).await.unwrap().into_inner()
}

pub fn complete_sign_up_request(code: &str) -> pb::CompleteSignUpRequest {
    pb::CompleteSignUpRequest {
        request_id: new_id(),
        code: code.to_owned(),
        username: "olga".to_owned(),
        password: "correct horse battery".to_owned(),
        first_name: Some("Olga".to_owned()),
        last_name: None,
    }
}

pub fn sign_up_code_request(email: &str, delivery: CodeDelivery) -> CreateSignUpCodeRequest {
    CreateSignUpCodeRequest { email: email.to_owned(), delivery: delivery.into() }
}

/// A sign-up code that is returned to the back end.
pub async fn returned_sign_up_code(suite: &Suite, email: &str) -> String {
    let request = sign_up_code_request(email, CodeDelivery::Response);
    backend(suite).create_sign_up_code(request).await.unwrap().into_inner().code.unwrap()
}

pub async fn events_of(actor: &Actor, kinds: &[Kind]) -> Vec<pb::SecurityEvent> {
    let kinds = kinds.iter().map(|kind| (*kind).into()).collect();
    let filter = Some(pb::SecurityEventFilter { kinds, ..Default::default() });
    let request = pb::ListSecurityEventsRequest { filter, ..Default::default() };
    actor.account().list_security_events(request).await.unwrap().into_inner().events
}
