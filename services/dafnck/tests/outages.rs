//! What the suite does while PostgreSQL or Redis is away, and after.

use crate::harness::harness;
use std::time::{Duration, Instant};

use proto::project::v1::{GetProjectRequest, ListProjectsRequest, Project};
use proto::task::v1::{CreateTaskRequest, Task};
use testkit::{Actor, Service, Suite, new_id, summary, until, until_ok};
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// How long recovery may take before the test calls it none.
const TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn redis_away_and_back_empty_logs_nobody_out() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    let project = olga.project("apollo").await;
    let get = || GetProjectRequest { project_id: project.id.clone() };
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();
    let gus = suite.user("gus").await;
    gus.projects().list_projects(ListProjectsRequest::default()).await.unwrap();
    olga.projects().get_project(get()).await.unwrap();

    servers.start_redis().await.unwrap();
    olga.projects().get_project(get()).await.unwrap();
    olga.tasks().list_tasks(task_list(&project.id)).await.unwrap();
    gus.projects().list_projects(ListProjectsRequest::default()).await.unwrap();
}

#[tokio::test]
async fn postgresql_away_is_unavailable_within_the_deadline_and_back_by_itself() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    let project = olga.project("apollo").await;
    let get = || GetProjectRequest { project_id: project.id.clone() };
    olga.projects().get_project(get()).await.unwrap();
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_postgres().await.unwrap();
    let start = Instant::now();
    let refusal = olga.projects().get_project(get()).await.unwrap_err();
    assert!(matches!(refusal.code(), Code::Unavailable | Code::DeadlineExceeded), "{refusal:?}");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());

    servers.start_postgres().await.unwrap();
    until_ok("PostgreSQL is back", TIMEOUT, async || {
        let answer = olga.projects().get_project(get()).await;
        answer.inspect_err(|status| {
            assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status:?}");
        })
    })
    .await;
}

fn task_list(project_id: &str) -> proto::task::v1::ListTasksRequest {
    proto::task::v1::ListTasksRequest {
        filter: Some(proto::task::v1::TaskFilter {
            project_ids: vec![project_id.to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn is_serving(suite: &Suite, service: Service) -> bool {
    let answer = HealthClient::new(suite.channel(service)).check(HealthCheckRequest::default()).await;
    answer.unwrap().into_inner().status == ServingStatus::Serving as i32
}

async fn create(olga: &Actor, project: &Project) -> Result<(), Status> {
    let task = Task { project_id: project.id.clone(), title: "fly".to_owned(), ..Default::default() };
    let request = CreateTaskRequest { request_id: new_id(), task: Some(task) };
    olga.tasks().create_task(request).await.map(drop)
}

/// Writes fail and the health says so; after the recovery the next call works.
async fn assert_read_only_is_survived(suite: &Suite, begin: &[&str], end: &[&str]) {
    let olga = suite.user("olga").await;
    let project = olga.project("apollo").await;
    create(&olga, &project).await.unwrap();
    until("healthy", TIMEOUT, async || is_serving(suite, Service::Task).await).await;

    for statement in begin {
        suite.execute(statement).await;
    }
    until("unhealthy", TIMEOUT, async || !is_serving(suite, Service::Task).await).await;
    let refusal = create(&olga, &project).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAVAILABLE DEPENDENCY_UNAVAILABLE");

    for statement in end {
        suite.execute(statement).await;
    }
    create(&olga, &project).await.unwrap();
    until("healthy again", TIMEOUT, async || is_serving(suite, Service::Task).await).await;
}

#[tokio::test]
async fn a_server_that_turns_read_only_is_left_and_used_again_when_it_takes_writes() {
    let suite = harness().start_alone().await;
    let reload = "SELECT pg_reload_conf()";
    assert_read_only_is_survived(
        &suite,
        &["ALTER SYSTEM SET default_transaction_read_only = on", reload],
        &["ALTER SYSTEM RESET default_transaction_read_only", reload],
    )
    .await;
}

#[tokio::test]
async fn a_role_that_may_not_write_for_a_while_works_at_once_afterwards() {
    let suite = harness().start_alone().await;
    assert_read_only_is_survived(
        &suite,
        &["ALTER ROLE task_service SET default_transaction_read_only = on; \
           SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'task_service'"],
        &["ALTER ROLE task_service RESET default_transaction_read_only"],
    )
    .await;
}

/// On threads of its own: a suite that still starts would keep a single one for longer than an operation may take.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_redis_is_replaced_when_it_leads_to_a_replica() {
    let suite = harness().start_alone().await;
    let redis = suite.redis();
    let id = || async { redis.query::<i64>(redis::cmd("CLIENT").arg("ID")).await.unwrap() };
    let first = id().await;
    assert_eq!(id().await, first);

    suite.demote_redis().await;
    let write = redis.query::<()>(redis::cmd("SET").arg("key").arg(1)).await;
    assert!(write.is_err());

    assert_ne!(id().await, first);
}
