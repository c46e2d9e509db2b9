//! What a client finds that knows nothing but the address.

use crate::harness::harness;
use proto::common::GetServerInfoRequest;
use proto::common::server_info_service_client::ServerInfoServiceClient;
use shared::mail::Destination;
use testkit::{Service, Suite};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const ALL: [Service; 4] = [Service::Identity, Service::Project, Service::Task, Service::Content];

#[tokio::test]
async fn every_service_becomes_healthy() {
    let suite = harness().start().await;
    for service in ALL {
        let mut health = HealthClient::new(suite.channel(service));
        let mut updates = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        while updates.message().await.unwrap().unwrap().status != 1 {}
    }
}

/// Asks with one version of the reflection protocol for the list of services and for the file of one.
macro_rules! reflect {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let ask = async |question| {
            let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
            let mut client = ServerReflectionClient::new($channel);
            let answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
            answers.into_inner().message().await.unwrap().unwrap().message_response.unwrap()
        };
        let MessageResponse::ListServicesResponse(list) =
            ask(MessageRequest::ListServices(String::new())).await
        else {
            panic!("no list")
        };
        let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
        // The details of errors are part of what a tool must be able to read.
        for name in names.iter().map(String::as_str).chain(["google.rpc.ErrorInfo", "google.rpc.BadRequest"])
        {
            let answer = ask(MessageRequest::FileContainingSymbol(name.to_owned())).await;
            assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{name}: {answer:?}");
        }
        names
    }};
}
pub(crate) use reflect;

#[tokio::test]
async fn both_versions_of_reflection_describe_what_is_served() {
    let suite = harness().start().await;
    for service in ALL {
        let own = format!("dafnck.{service:?}.").to_lowercase();
        let v1 = reflect!(v1, suite.channel(service));
        let v1alpha = reflect!(v1alpha, suite.channel(service));
        assert_eq!(v1, v1alpha);
        assert!(v1.iter().any(|name| name.starts_with(&own)), "{v1:?}");
        assert!(v1.contains(&"grpc.health.v1.Health".to_owned()), "{v1:?}");
        let is_other = |name: &String| {
            name.starts_with("dafnck.") && !name.starts_with(&own) && !name.starts_with("dafnck.common.")
        };
        assert!(!v1.iter().any(is_other), "{v1:?}");
    }
}

/// The services that say that they send mail.
async fn mailing_services(suite: &Suite) -> Vec<Service> {
    let mut found = Vec::new();
    for service in ALL {
        let mut client = ServerInfoServiceClient::new(suite.channel(service));
        let info = client.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
        if info.features.is_some_and(|features| features.mail_enabled) {
            found.push(service);
        }
    }
    found
}

#[tokio::test]
async fn server_info_says_which_services_send_mail() {
    let sending = harness().start().await;
    // Content answers for all of them.
    assert_eq!(mailing_services(&sending).await, [Service::Identity, Service::Project, Service::Content]);
    let logging = harness().start_with(|options| options.mail.mail_url = Destination::Log).await;
    assert_eq!(mailing_services(&logging).await, []);
}
