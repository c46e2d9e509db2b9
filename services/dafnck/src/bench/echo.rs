//! A bare gRPC service in this process: the limit of what a service on tonic can answer.

use std::net::Ipv4Addr;

use futures::FutureExt;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::load::Call;
use super::suite::Connections;

/// Serves until this process ends.
pub(super) async fn serve() -> anyhow::Result<Endpoint> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (_reporter, service) = tonic_health::server::health_reporter();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    Ok(Endpoint::from_shared(format!("http://{address}"))?)
}

/// One call.
pub(super) fn call(endpoint: &Endpoint) -> impl Call {
    let connections = Connections::to(endpoint);
    move || {
        let mut client = HealthClient::new(connections.next());
        async move { client.check(HealthCheckRequest::default()).await.map(drop) }.boxed()
    }
}
