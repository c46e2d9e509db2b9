//! The server stack, built once for all services: see [`serve`], and `stack` for the way of a call.

mod admission;
mod body;
mod bytes_in_flight;
mod call_life;
mod client_address;
mod codec_errors;
mod connection;
mod deadline;
mod framing;
mod health;
mod info;
mod limits;
mod listener;
mod metrics;
mod protocol;
mod rate_limit;
mod reflection;
mod request_body;
mod shares;
mod stack;
mod stalled_writes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_web::GrpcWebLayer;
use tower::Layer as _;

use crate::authentication::Authentication;
use crate::config::{LimitOptions, ProxyOptions, TlsOptions};
use crate::tls::{self, ServerTls};
use proto::common::ServerInfo;
use proto::common::server_info_service_server::ServerInfoServiceServer;

pub use bytes_in_flight::{BytesInFlight, HeldBytes};
pub use deadline::{DEFAULT_TIMEOUT, Deadline, GRPC_TIMEOUT, MAX_STREAM_TIMEOUT, MAX_TIMEOUT};
pub use health::{ALIVE, Readiness};
pub use limits::{
    CONNECTION_AGE_GRACE, DRAIN_STREAMS_AFTER, DRAIN_TIMEOUT, MAX_ERROR_RESET_STREAMS, MAX_HEADER_BYTES,
    MAX_MESSAGE_BYTES, MAX_PENDING_RESET_STREAMS, MAX_STREAMS_PER_CONNECTION,
};
pub use reflection::INFRASTRUCTURE_SERVICES;

use client_address::ClientAddress;
use connection::ConnectionServer;
use health::Health;
use info::ServerInfoHandler;
use listener::ConnectionPlaces;
use stack::Stack;

/// The parts of a server that differ between services.
pub struct ServerParts {
    /// The service's name as in its package: `dafnck.<name>.v1`.
    pub name: &'static str,
    /// Its encoded descriptor set, which reflection shows.
    pub descriptor_set: &'static [u8],
    /// Its generated servers, made with [`routes!`](crate::routes).
    pub routes: Routes,
    /// The limits and features that this server has beside those that all have.
    pub info: ServerInfo,
    /// Authenticates callers.
    pub authentication: Authentication,
    /// What health reports; checked every second.
    pub readiness: Readiness,
    /// The proxies in front of the server.
    pub proxies: ProxyOptions,
    /// The configured limits.
    pub limits: LimitOptions,
    /// The certificates.
    pub tls: TlsOptions,
}

/// Serves until `shutdown`, and then until running calls have ended, [`DRAIN_TIMEOUT`] at most.
///
/// # Errors
/// A malformed descriptor set or certificate, or a listener that fails.
pub async fn serve(
    parts: ServerParts,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let tls = ServerTls::new(&parts.tls).context("the TLS certificate")?;
    let own_services = reflection::own_services(parts.name);
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health::new(reporter, &own_services);
    health.report(ServingStatus::NotServing).await;
    health.report_alive().await;

    let clients = ClientAddress::new(&parts.proxies);
    let places = ConnectionPlaces::new(&parts.limits, clients.clone());
    let stack =
        Arc::new(Stack::new(parts.name, parts.authentication, clients, &parts.limits, shutdown.clone()));
    let info = ServerInfoHandler::new(&own_services, &parts.info).context("the server's info")?;
    let routes = parts
        .routes
        .add_service(health_service)
        .add_service(crate::limited!(ServerInfoServiceServer::new(info), MAX_MESSAGE_BYTES));
    let routes = reflection::add_to(routes, parts.descriptor_set, &own_services)?;
    let router =
        routes.into_axum_router().layer(axum::middleware::from_fn_with_state(stack.clone(), Stack::pass));

    let _background =
        AbortOnDropHandle::new(tokio::spawn(background(health.clone(), parts.readiness, stack)));
    let _expiry = AbortOnDropHandle::new(tokio::spawn(tls::watch(parts.tls, parts.name)));

    // Outermost: below it, a browser's call is a gRPC call like any other.
    let service = GrpcWebLayer::new().layer(router);
    let stopping = CancellationToken::new();
    let server = Arc::new(ConnectionServer::new(service, &parts.limits, stopping.clone()));
    let stop = async {
        shutdown.cancelled().await;
        // Health first, so that balancers look elsewhere while calls are still answered.
        health.report(ServingStatus::NotServing).await;
        stopping.cancel();
    };
    tokio::select! {
        (_, ()) = futures::future::join(stop, listener::accept(listener, tls, server, &places, &stopping)) => {}
        () = drain_timeout(&shutdown) => {
            tracing::warn!(service = parts.name, "calls were still running after {DRAIN_TIMEOUT:?}; they are cut off");
        }
    }
    Ok(())
}

async fn drain_timeout(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN_TIMEOUT).await;
}

/// Until shutdown, when health has its last word elsewhere.
async fn background(health: Health, readiness: Readiness, stack: Arc<Stack>) {
    let mut interval = tokio::time::interval(rate_limit::FORGET_INTERVAL);
    let forgetting = async {
        loop {
            interval.tick().await;
            stack.forget_quiet();
        }
    };
    tokio::select! {
        () = health.follow(readiness) => {}
        () = forgetting => {}
        () = stack.shutdown.cancelled() => {}
    }
}
