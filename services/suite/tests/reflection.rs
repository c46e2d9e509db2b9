//! What a client finds that knows nothing but the address.

use suite::testing::{Service, Suite};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const ALL: [Service; 4] = [Service::Identity, Service::Project, Service::Task, Service::Content];

#[tokio::test]
async fn every_service_becomes_healthy() {
    let suite = Suite::start().await;
    for service in ALL {
        let mut health = HealthClient::new(suite.channel(service));
        let mut updates = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        while updates.message().await.unwrap().unwrap().status != 1 {}
    }
}
