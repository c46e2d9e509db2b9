//! What the suite does while PostgreSQL or Redis is away, and after.

use crate::harness::harness;
use std::time::{Duration, Instant};

use proto::project::v1::{GetProjectRequest, ListProjectsRequest};
use testkit::until_ok;
use tonic::Code;

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
