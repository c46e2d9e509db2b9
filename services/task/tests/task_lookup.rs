//! The RPCs for sibling services.

use crate::harness::harness;
use std::time::Duration;

use proto::task::admin::v1 as admin;
use proto::task::admin::v1::task_admin_service_client::TaskAdminServiceClient;
use proto::task::backend::v1 as backend;
use proto::task::backend::v1::task_lookup_service_client::TaskLookupServiceClient;
use testkit::*;
use tonic::Streaming;
use tonic::service::interceptor::InterceptedService;

use crate::fixtures::*;

/// The next deletions, heartbeats skipped, and the cursor after them.
async fn next(stream: &mut Streaming<backend::WatchDeletedTasksResponse>) -> (Vec<String>, String) {
    let wait = async {
        loop {
            let message = stream.message().await.unwrap().unwrap();
            if !message.task_ids.is_empty() {
                return (message.task_ids, message.cursor);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap()
}

fn from(cursor: &str) -> backend::WatchDeletedTasksRequest {
    backend::WatchDeletedTasksRequest { cursor: cursor.to_owned() }
}

#[tokio::test]
async fn resolve_task_returns_the_project() {
    let Team { suite, olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let mut directory = suite.as_service("content").task_lookup();
    let resolve = |id: &str| backend::ResolveTaskRequest { task_id: id.to_owned() };
    let found = directory.resolve_task(resolve(&task.id)).await.unwrap().into_inner();
    assert_eq!((found.task_id, found.project_id), (task.id, project.id.clone()));
    let refusal = directory.resolve_task(resolve(&new_id())).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let refusal = directory.resolve_task(resolve("x")).await.unwrap_err();
    assert_eq!(violations(&refusal), ["task_id"]);
}

#[tokio::test]
async fn watch_deleted_tasks_resumes_at_the_cursor() {
    let Team { suite, olga, project, .. } = &team().await;
    let [a, b, c] =
        [olga.task(project, "a").await, olga.task(project, "b").await, olga.task(project, "c").await];
    blocks(olga, &a, &b).await.unwrap();
    delete(olga, &a).await.unwrap();
    let mut directory = suite.as_service("content").task_lookup();

    let mut stream = directory.watch_deleted_tasks(from("")).await.unwrap().into_inner();
    let (deleted, cursor) = next(&mut stream).await;
    assert_eq!(deleted, [a.id]);
    delete(olga, &b).await.unwrap();
    assert_eq!(next(&mut stream).await.0, [b.id.as_str()]);

    let mut again = directory.watch_deleted_tasks(from(&cursor)).await.unwrap().into_inner();
    assert_eq!(next(&mut again).await.0, [b.id]);
    delete(olga, &c).await.unwrap();
    assert_eq!(next(&mut again).await.0, [c.id.as_str()]);
    assert_eq!(next(&mut stream).await.0, [c.id]);
}

#[tokio::test]
async fn watch_deleted_tasks_sends_heartbeats() {
    let suite = harness().start().await;
    let mut directory = suite.as_service("content").task_lookup();
    let mut stream = directory.watch_deleted_tasks(from("")).await.unwrap().into_inner();
    for _ in 0..2 {
        let beat = tokio::time::timeout(Duration::from_secs(5), stream.message()).await;
        assert!(beat.unwrap().unwrap().unwrap().task_ids.is_empty());
    }
}

#[tokio::test]
async fn watch_deleted_tasks_rejects_a_trimmed_cursor() {
    let suite = harness().start().await;
    let mut admin = suite.admin_of(task::NAME).await;
    let trim = "UPDATE task.change_log_horizon SET transaction_id = '10', position = 10";
    diesel_async::SimpleAsyncConnection::batch_execute(&mut admin, trim).await.unwrap();
    let mut directory = suite.as_service("content").task_lookup();
    let refusal = directory.watch_deleted_tasks(from("0.1.1")).await.unwrap_err();
    assert_eq!(summary(&refusal), "OUT_OF_RANGE CURSOR_EXPIRED");
    let refusal = directory.watch_deleted_tasks(from("x")).await.unwrap_err();
    assert_eq!(violations(&refusal), ["cursor"]);
}

#[tokio::test]
async fn task_lookup_is_closed_to_users() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let client = InterceptedService::new(suite.channel(Service::Task), Bearer(olga.session_token.clone()));
    let mut directory = TaskLookupServiceClient::new(client.clone());
    let mut import = TaskAdminServiceClient::new(client);
    let nothing = tokio_stream::empty::<admin::ImportTasksRequest>;
    let refusals = [
        directory.resolve_task(backend::ResolveTaskRequest::default()).await.unwrap_err(),
        directory.watch_deleted_tasks(from("")).await.unwrap_err(),
        import.import_tasks(nothing()).await.unwrap_err(),
        import.import_task_dependencies(tokio_stream::empty()).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(summary(&refusal), "PERMISSION_DENIED AUDIENCE_REFUSED");
    }
}
