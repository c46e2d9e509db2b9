//! How soon a revocation is seen, and what becomes of people while Redis is away.

use crate::fixtures::*;
use crate::harness::harness_of_all_services;
use std::time::{Duration, Instant};

use proto::content::v1::ListDocumentsRequest;
use proto::identity::v1 as pb;
use proto::project::v1::ListProjectsRequest;
use proto::task::v1::ListTasksRequest;
use testkit::*;
use tonic::Status;

/// Sessions that are revoked, one after another.
const REVOCATIONS: usize = 100;

async fn call(actor: &Actor, service: Service) -> Option<Status> {
    let project_id = new_id();
    match service {
        Service::Identity => actor.auth().who_am_i(pb::WhoAmIRequest {}).await.err(),
        Service::Project => actor.projects().list_projects(ListProjectsRequest::default()).await.err(),
        Service::Task => {
            let request = ListTasksRequest { project_id, ..Default::default() };
            actor.tasks().list_tasks(request).await.err()
        }
        Service::Content => {
            let request = ListDocumentsRequest { project_id, ..Default::default() };
            actor.documents().list_documents(request).await.err()
        }
    }
}

/// How long after `since` the service refused for the first time.
async fn first_refusal(actor: &Actor, service: Service, since: Instant) -> Duration {
    loop {
        let refused =
            call(actor, service).await.is_some_and(|status| reason_of(&status) == "SESSION_INVALID");
        if refused {
            return since.elapsed();
        }
        assert!(since.elapsed() < TIMEOUT, "{service:?} still lets a revoked session in");
    }
}

#[tokio::test]
async fn a_revocation_evicts_the_session_from_the_caches_of_every_service() {
    let suite = harness_of_all_services().start().await;
    let others = [Service::Project, Service::Task, Service::Content];
    let mut delays = Vec::with_capacity(REVOCATIONS * others.len());
    for number in 0..REVOCATIONS {
        let olga = suite.guest(&format!("olga{number}")).await;
        for service in others {
            let refusal = call(&olga, service).await;
            assert!(refusal.is_none_or(|status| reason_of(&status) == "RESOURCE_NOT_FOUND"));
        }
        olga.auth().logout(pb::LogoutRequest {}).await.unwrap();
        let answered = Instant::now();
        delays.extend(
            futures::future::join_all(others.map(|service| first_refusal(&olga, service, answered))).await,
        );
    }
    delays.sort();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100];
    eprintln!(
        "{} refusals after {REVOCATIONS} revocations: p50 {:?}, p99 {:?}, max {:?}",
        delays.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(at(50) < Duration::from_secs(1), "{:?}", at(50));
    assert!(at(100) < shared::authentication::CACHE_LIFE, "{:?}", at(100));
}

#[tokio::test]
async fn api_tokens_and_attempt_limits_work_while_redis_is_down() {
    let suite = harness_of_all_services().start_alone().await;
    let olga = suite.user("olga").await;
    let servers = suite.servers.as_ref().unwrap();
    servers.stop_redis().await.unwrap();

    let expires_at = chrono::Utc::now() + chrono::TimeDelta::days(1);
    let request = pb::CreateApiTokenRequest {
        name: "the build".to_owned(),
        scopes: vec!["identity:read".to_owned(), "project:read".to_owned()],
        expires_at: Some(prost_types::Timestamp { seconds: expires_at.timestamp(), nanos: 0 }),
        ..Default::default()
    };
    let made = olga.account().create_api_token(request).await.unwrap().into_inner();
    let mut program = olga.clone();
    program.session_token = Some(made.token);
    call_every_service(&program).await.unwrap();
    let api_token_id = made.api_token.unwrap().id;
    olga.account().revoke_api_token(pb::RevokeApiTokenRequest { api_token_id }).await.unwrap();
    assert!(call(&program, Service::Identity).await.is_some());
    assert!(first_refusal(&program, Service::Project, Instant::now()).await < TIMEOUT);

    let mut auth = suite.anonymous().auth();
    let unknown = pb::RefreshSessionRequest { refresh_token: format!("dfr_{}", "A".repeat(43)) };
    let mut refusals = Vec::new();
    for _ in 0..101 {
        refusals.push(refusal(auth.refresh_session(unknown.clone()).await));
    }
    assert_eq!(refusals.last().unwrap(), "RESOURCE_EXHAUSTED RATE_LIMITED");
    assert_eq!(refusals.iter().filter(|text| *text == "UNAUTHENTICATED SESSION_INVALID").count(), 100);
    auth.login(login("olga", &olga.password)).await.unwrap();
    servers.start_redis().await.unwrap();
    call_every_service(&olga).await.unwrap();
}
