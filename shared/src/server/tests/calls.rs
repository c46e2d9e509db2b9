//! Unary calls through the whole stack, health, reflection and shutdown.

use super::*;

#[tokio::test]
async fn a_handler_knows_its_caller_peer_and_trace() {
    let server = RunningServer::start().await;
    assert_eq!(server.ask("hello").await.unwrap(), r#"Service("task") 127.0.0.1 32"#);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_with_a_trace_and_the_server_goes_on() {
    let server = RunningServer::start().await;
    let refusal = server.ask("panic").await.unwrap_err();
    assert_eq!(summary(&refusal), "Internal INTERNAL");
    let trace = refusal.get_details_error_info().unwrap().metadata.remove("trace_id").unwrap();
    assert_eq!(trace.len(), 32);
    assert!(server.ask("hello").await.is_ok());
}

#[tokio::test]
async fn a_call_ends_with_its_deadline() {
    let server = RunningServer::start().await;
    let mut request =
        Request::new(pb::GetProjectAccessRequest { project_id: "sleep".into(), known_revision: 0 });
    request.set_timeout(Duration::from_secs(1));
    let refusal = server.siblings().project_access().get_project_access(request).await.unwrap_err();
    assert_eq!(summary(&refusal), "DeadlineExceeded DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_service_method_refuses_everyone_else() {
    let server = RunningServer::start().await;
    let request = || pb::GetProjectAccessRequest { project_id: "hello".into(), known_revision: 0 };

    let mut anonymous = pb::access_service_client::AccessServiceClient::new(server.channel().await);
    let refusal = anonymous.get_project_access(request()).await.unwrap_err();
    assert_eq!(summary(&refusal), "PermissionDenied AUDIENCE_REFUSED");

    let mut forger = server.siblings_of(&ServiceSigner::new("task", key_of("project"))).project_access();
    let refusal = forger.get_project_access(request()).await.unwrap_err();
    assert_eq!(summary(&refusal), "Unauthenticated SESSION_INVALID");
}

/// A well-formed session token.
#[tokio::test]
async fn a_method_that_does_not_exist_is_unimplemented() {
    let server = RunningServer::start().await;
    let mut client = proto::task::backend::v1::task_lookup_service_client::TaskLookupServiceClient::new(
        server.channel().await,
    );
    let refusal =
        client.resolve_task(proto::task::backend::v1::ResolveTaskRequest::default()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unimplemented);
}

#[tokio::test]
async fn an_old_connection_is_replaced_while_calls_and_streams_go_on() {
    let limits = LimitOptions {
        connection_age_seconds: 1,
        requests_per_second: 1_000_000,
        request_burst: 1_000_000,
        ..LimitOptions::default()
    };
    let server = RunningServer::start_with(limits).await;
    let client = server.siblings().project_access();
    let mut stream = client
        .clone()
        .watch_project_access(pb::WatchProjectAccessRequest::default())
        .await
        .unwrap()
        .into_inner();

    let calling = (0..8).map(|_| until_on_another_connection(client.clone()));
    tokio::time::timeout(Duration::from_secs(20), futures::future::join_all(calling)).await.unwrap();

    assert!(stream.message().now_or_never().is_none(), "the stream on the old connection has ended");
}

/// Calls until the connection is another one. No call may fail.
async fn until_on_another_connection(mut client: AccessServiceClient<SiblingChannel>) {
    let request = || pb::GetProjectAccessRequest { project_id: "port".into(), known_revision: 0 };
    let first = client.get_project_access(request()).await.unwrap().into_inner();
    while client.get_project_access(request()).await.unwrap().into_inner() == first {}
}

#[tokio::test]
async fn more_calls_than_places_are_refused_at_once() {
    let server =
        RunningServer::start_with(LimitOptions { max_concurrent_requests: 1, ..LimitOptions::default() })
            .await;
    let (slow, refusal) = tokio::join!(server.ask("sleep"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.ask("hello").await.unwrap_err()
    });
    assert!(slow.is_err());
    assert_eq!(summary(&refusal), "ResourceExhausted OVERLOADED");
    assert!(refusal.get_details_retry_info().is_some());
    assert!(server.ask("hello").await.is_ok());
}

#[tokio::test]
async fn health_follows_readiness_without_a_session() {
    let server = RunningServer::start().await;
    for _ in 0..50 {
        if server.health().await == ServingStatus::Serving as i32 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never became ready");
}

#[tokio::test]
async fn a_server_that_is_not_ready_is_alive() {
    let server = RunningServer::start_as(LimitOptions::default(), false).await;
    assert_eq!(server.health_of("").await, ServingStatus::NotServing as i32);
    assert_eq!(server.health_of(ALIVE).await, ServingStatus::Serving as i32);
}

/// An empty message in a gRPC-Web frame, over HTTP/1.1 as a browser without HTTP/2 would send it.
#[tokio::test]
async fn reflection_lists_what_the_server_serves() {
    let server = RunningServer::start().await;
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(server.channel().await);
    let answers = client.server_reflection_info(tokio_stream::once(question)).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"dafnck.project.v1.ProjectService".to_owned()));
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()));
    assert!(!names.iter().any(|name| name.starts_with("dafnck.task.")), "{names:?}");
}

#[tokio::test]
async fn shutdown_ends_open_streams_and_then_the_server() {
    let server = RunningServer::start().await;
    let mut client =
        pb::access_service_client::AccessServiceClient::new(server.siblings().channel(Sibling::Project));
    let mut stream =
        client.watch_project_access(pb::WatchProjectAccessRequest::default()).await.unwrap().into_inner();

    server.shutdown.cancel();

    let end = stream.message().await.unwrap_err();
    assert_eq!(summary(&end), "Unavailable DEPENDENCY_UNAVAILABLE");
    let limit = DRAIN_TIMEOUT + Duration::from_secs(2);
    tokio::time::timeout(limit, server.task).await.unwrap().unwrap().unwrap();
}
