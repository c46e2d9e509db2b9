//! All services on one port of this process.

use proto::common::server_info_service_client::ServerInfoServiceClient;
use proto::common::{GetServerInfoRequest, RegistrationMode};
use testkit::{Suite, summary};
use tonic::Request;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use crate::harness::harness;
use crate::reflection::reflect;
use crate::walk::{call, methods, path_of};
use proto::project::v1::CreateProjectRequest;
use proto::project::v1::project_service_client::ProjectServiceClient;
use proto::task::v1::task_service_client::TaskServiceClient;
use proto::task::v1::{CreateTaskRequest, Task};

async fn suite() -> Suite {
    harness().with_gateway().start().await
}

/// The names of all services of the suite.
fn service_names() -> Vec<String> {
    let services = proto::descriptor_pool().services();
    services.map(|service| service.full_name().to_owned()).collect()
}

#[tokio::test]
async fn reflection_on_the_gateway_lists_every_service_once() {
    let suite = suite().await;
    let mut listed = reflect!(v1, suite.gateway_channel());
    assert_eq!(listed, reflect!(v1alpha, suite.gateway_channel()));
    listed.retain(|name| name.starts_with("dafnck."));
    let mut expected = service_names();
    expected.sort();
    listed.sort();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn health_on_the_gateway_answers_for_every_service() {
    let suite = suite().await;
    for name in service_names().into_iter().chain([String::new()]) {
        let mut health = HealthClient::new(suite.gateway_channel());
        let mut updates =
            health.watch(HealthCheckRequest { service: name.clone() }).await.expect(&name).into_inner();
        while updates.message().await.unwrap().unwrap().status != 1 {}
    }
}

#[tokio::test]
async fn the_gateway_has_the_limits_and_features_of_all_services() {
    let suite = suite().await;
    let mut client = ServerInfoServiceClient::new(suite.gateway_channel());
    let info = client.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    for package in ["dafnck.common.v1", "dafnck.identity.v1", "dafnck.task.v1", "dafnck.content.admin.v1"] {
        assert_eq!(info.api_packages.iter().filter(|name| *name == package).count(), 1, "{package}");
    }
    let limits = info.limits.unwrap();
    assert_eq!(limits.max_message_bytes, 4 * 1024 * 1024);
    assert_eq!(limits.max_attachment_bytes, Some(testkit::MAX_ATTACHMENT_BYTES as i64));
    assert!(limits.session_lifetime.is_some());
    let features = info.features.unwrap();
    assert!(features.mail_enabled);
    assert_eq!(features.registration_mode(), RegistrationMode::Direct);
}

/// No method is missing on the gateway, and none is open to more callers than on its service's port.
#[tokio::test]
async fn every_method_answers_on_the_gateway_as_on_its_service() {
    let suite = suite().await;
    for method in methods() {
        let path = path_of(&method);
        let tried = async |channel| {
            let forged = Some(format!("Bearer dfs_{}", "A".repeat(43)));
            let refusals = [
                call(channel, &path, None, bytes::Bytes::new()).await,
                call(suite.gateway_channel(), &path, forged, bytes::Bytes::new()).await,
            ];
            refusals.map(|answer| answer.err().map(|status| summary(&status)))
        };
        let on_gateway = tried(suite.gateway_channel()).await;
        let on_service = tried(crate::walk::channel_for(&suite, &path)).await;
        assert_eq!(on_gateway, on_service, "{path}");
        assert!(!format!("{on_gateway:?}").contains("UNIMPLEMENTED"), "{path}");
    }
}

/// A consistency token of the project service is understood by the task service behind the same port.
#[tokio::test]
async fn a_session_works_in_all_services_of_the_gateway() {
    let suite = suite().await;
    let olga = suite.user("olga").await;
    let channel = suite.gateway_channel();
    let authorized = |token: Option<String>| {
        move |mut request: Request<()>| {
            let value = format!("Bearer {}", token.clone().unwrap_or_default());
            request.metadata_mut().insert("authorization", value.parse().unwrap());
            Ok(request)
        }
    };
    let mut projects =
        ProjectServiceClient::with_interceptor(channel.clone(), authorized(olga.session_token.clone()));
    let mut tasks = TaskServiceClient::with_interceptor(channel, authorized(olga.session_token.clone()));
    let project = proto::project::v1::Project { name: "Apollo".into(), ..Default::default() };
    let created = projects
        .create_project(CreateProjectRequest { project: Some(project), ..Default::default() })
        .await
        .unwrap();
    let token = created.metadata().get("dafnck-consistency-token").unwrap().clone();
    let task = Task {
        project_id: created.into_inner().id,
        title: "Build the rocket".into(),
        ..Default::default()
    };
    let mut request = Request::new(CreateTaskRequest { task: Some(task), ..Default::default() });
    request.metadata_mut().insert("dafnck-at-least-as-fresh", token);
    let task = tasks.create_task(request).await.unwrap().into_inner();
    assert!(task.id.parse::<Uuid>().is_ok());
}
