//! The identity service, over the real wire.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "failing is reporting here")]

mod accounts;
mod another_language;
mod api_tokens;
mod authenticator;
mod budgets;
mod changed_meanwhile;
mod codes;
mod crowd;
mod dump;
mod encryption;
mod equal_time;
mod expiry;
mod flood;
mod guessing;
mod harness;
mod import;
mod lock_order;
mod operating;
mod outages;
mod outbox;
mod passwords;
mod processes;
mod profiles;
mod refreshing;
mod revoking;
mod second_factor;
mod second_factor_changes;
mod secrecy;
mod security_events;
mod service_codes;
mod session_lives;
mod sessions;
mod sign_up;
mod signing_in;
mod signing_up;
mod user_lookup;
mod users;

use std::time::{Duration, Instant};

use proto::identity::v1 as pb;
use proto::project::v1::ListProjectsRequest;
use testkit::*;
use tonic::{Response, Status};

/// How long to wait for what happens on the side.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call was refused.
fn refusal<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> String {
    summary(&answer.unwrap_err())
}

fn login(login: &str, password: &str) -> pb::LoginRequest {
    pb::LoginRequest { login: login.to_owned(), password: password.to_owned() }
}

/// The same person with these tokens.
fn with_tokens(actor: &Actor, signed_in: &pb::LoginResponse) -> Actor {
    let tokens = signed_in.tokens.clone().unwrap();
    let mut actor = actor.clone();
    actor.session_token = Some(tokens.session_token);
    actor.refresh_token = tokens.refresh_token;
    actor
}

/// Somebody on another device.
async fn another_device(actor: &Actor) -> Actor {
    let signed_in = actor_without_session(actor).auth().login(login(&actor.name, &actor.password)).await;
    with_tokens(actor, &signed_in.unwrap().into_inner())
}

fn actor_without_session(actor: &Actor) -> Actor {
    let mut actor = actor.clone();
    actor.session_token = None;
    actor
}

async fn list_sessions(actor: &Actor) -> Vec<pb::Session> {
    let request = pb::ListSessionsRequest::default();
    actor.account().list_sessions(request).await.unwrap().into_inner().sessions
}

/// Whether the session works at every service.
async fn works_everywhere(actor: &Actor) -> Result<(), Status> {
    actor.auth().who_am_i(pb::WhoAmIRequest {}).await?;
    actor.projects().list_projects(ListProjectsRequest::default()).await?;
    Ok(())
}

/// How another service refuses the actor. Messages through Redis take a moment.
async fn refused_elsewhere(actor: &Actor) -> String {
    refused_elsewhere_within(actor, Duration::from_secs(1)).await
}

async fn refused_elsewhere_within(actor: &Actor, patience: Duration) -> String {
    let start = Instant::now();
    loop {
        match actor.projects().list_projects(ListProjectsRequest::default()).await {
            Err(status) if reason_of(&status) == "SESSION_INVALID" => return summary(&status),
            _ => assert!(start.elapsed() < patience, "still not refused"),
        }
    }
}

/// Changes the database behind the service's back.
async fn by_hand(suite: &Suite, statement: &str) {
    suite.execute(statement).await;
}
