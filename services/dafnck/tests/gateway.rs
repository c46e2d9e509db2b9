//! All services on one port of this process.

use proto::common::server_info_service_client::ServerInfoServiceClient;
use proto::common::{GetServerInfoRequest, RegistrationMode, ServerInfo};
use proto::project::v1::Project;
use serde_json::{Value, json};
use testkit::{Actor, Service, Suite, summary};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use crate::browser::{Page, Visit};
use crate::harness::harness;
use crate::method_rules::{call, methods, path_of};
use crate::reflection::reflect;

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
    assert_describes_all_services(info);
}

/// Content answers for its siblings, and so a proxy that passes the call to it.
#[tokio::test]
async fn the_content_service_describes_all_services_once_it_has_heard_of_them() {
    let suite = harness().start().await;
    let mut client = ServerInfoServiceClient::new(suite.channel(Service::Content));
    let info = client.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_describes_all_services(info);
}

pub fn assert_describes_all_services(info: ServerInfo) {
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
        let on_service = tried(crate::method_rules::channel_for(&suite, &path)).await;
        assert_eq!(on_gateway, on_service, "{path}");
        assert!(!format!("{on_gateway:?}").contains("UNIMPLEMENTED"), "{path}");
    }
}

#[tokio::test]
async fn a_session_works_in_all_services_of_the_gateway() {
    let suite = suite().await;
    let olga = Actor::register_over([(); 4].map(|()| suite.gateway_channel()), "olga").await;
    let project = olga.project("apollo").await;
    let task = olga.task(&project, "build the rocket").await;
    assert_eq!(task.project_id, project.id);
    crate::files::upload(&olga, &project, "a plan").await;
}

/// A suite that answers this page, and somebody with a project and a task for it to show.
async fn suite_for(page: &Page) -> (Suite, Actor, Project) {
    let origin = page.origin();
    let suite =
        harness().with_gateway().start_with(|options| options.cors.allowed_origins = vec![origin]).await;
    let olga = suite.user("olga").await;
    let project = olga.project("apollo").await;
    olga.task(&project, "buy milk").await;
    (suite, olga, project)
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_works_with_all_services() {
    let mut page = Page::serve().await;
    let (suite, olga, project) = suite_for(&page).await;

    let Some(visit) = page.visit(suite.gateway_url(), &olga, &project).await else { return };
    let expected = Visit {
        listed: vec!["buy milk".into()],
        watched: "created by the page".into(),
        uploaded_bytes: 6,
        refusal: "NOT_FOUND RESOURCE_NOT_FOUND".into(),
    };
    assert_eq!(visit, expected);

    let failure = page.failure_from_another_origin(suite.gateway_url(), &olga, &project).await.unwrap();
    assert_eq!(failure, "TypeError: Failed to fetch");
}

#[tokio::test]
async fn a_page_with_connect_signs_in_lists_watches_and_reads_the_details_of_errors() {
    let mut page = Page::serve().await;
    let (suite, olga, project) = suite_for(&page).await;

    let Some(seen) = page.visit_with_connect(suite.gateway_url(), &olga, &project).await else { return };

    let expected = json!({
        "listed": ["buy milk"],
        "watched": "created by the page",
        "missing": {
            "code": Code::NotFound as i32,
            "reason": "RESOURCE_NOT_FOUND",
            "resource": {"type": "task", "name": Uuid::nil()},
        },
        "invalid": {"code": Code::InvalidArgument as i32, "reason": "INVALID_FIELDS"},
    });
    assert_eq!(picked(&seen, &expected), expected, "{seen}");
    let violations = seen["invalid"]["violations"].as_array().unwrap();
    let mut fields: Vec<_> =
        violations.iter().map(|violation| violation["field"].as_str().unwrap()).collect();
    fields.dedup();
    assert_eq!(fields, ["task.title", "task.tags[1]"]);
}

/// The entries of a JSON value that another one has, too.
fn picked(value: &Value, of: &Value) -> Value {
    match (value, of) {
        (Value::Object(value), Value::Object(of)) => of
            .iter()
            .map(|(key, of)| (key.clone(), picked(value.get(key).unwrap_or(&Value::Null), of)))
            .collect(),
        _ => value.clone(),
    }
}
