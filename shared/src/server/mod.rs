//! The server stack, built once for all services: see [`serve`], and `stack` for the way of a call.

mod admission;
mod body;
mod bytes_in_flight;
mod caller_slots;
mod client_address;
mod codec_errors;
mod connection;
mod connection_places;
mod cors;
mod deadline;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_targets;
mod health;
mod info;
mod limits;
mod listener;
mod metrics;
mod protocol;
mod rate_limit;
mod reflection;
mod request_body;
mod request_failure;
mod shares;
mod stack;
mod stalled_writes;
mod task_deadline;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use crate::authentication::Authentication;
use crate::config::{CorsOptions, LimitOptions, ProxyOptions, TlsOptions};
use crate::tls::{self, ServerTls};
use proto::common::ServerInfo;
use proto::common::server_info_service_server::ServerInfoServiceServer;

pub use bytes_in_flight::{BytesInFlight, HeldBytes};
pub use deadline::{DEFAULT_TIMEOUT, Deadline, GRPC_TIMEOUT, MAX_STREAM_TIMEOUT, MAX_TIMEOUT};
pub use health::{ALIVE, Readiness};
pub use info::SiblingInfo;
pub use limits::{
    CONNECTION_AGE_GRACE, DRAIN_STREAMS_AFTER, DRAIN_TIMEOUT, MAX_ERROR_RESET_STREAMS, MAX_HEADER_BYTES,
    MAX_MESSAGE_BYTES, MAX_PENDING_RESET_STREAMS, MAX_STREAMS_PER_CONNECTION,
};
pub use reflection::INFRASTRUCTURE_SERVICES;

use client_address::ClientAddress;
use connection::ConnectionServer;
use connection_places::ConnectionLimits;
use health::Health;
use info::ServerInfoHandler;
use reflection::{COMMON_PACKAGES, packages_of, services_in};
use stack::Stack;

/// A service that a server serves.
pub struct ServiceParts {
    /// Its name as in its packages: `dafnck.<name>.v1`.
    pub name: &'static str,
    /// Its encoded descriptor set, which reflection shows.
    pub descriptor_set: &'static [u8],
    /// Its generated servers, made with [`routes!`](crate::routes).
    pub routes: Routes,
    /// The limits and features that it has beside those that all have.
    pub info: ServerInfo,
    /// What health reports of it; checked every second.
    pub readiness: Readiness,
    /// The siblings whose limits and features it answers beside its own, unless they are behind the same server.
    pub described_siblings: Vec<SiblingInfo>,
}

/// A server of one or several services.
pub struct ServerParts {
    /// What logs and metrics call it.
    pub name: &'static str,
    /// What it serves.
    pub services: Vec<ServiceParts>,
    /// Authenticates callers.
    pub authentication: Authentication,
    /// The proxies in front of the server.
    pub proxies: ProxyOptions,
    /// The web pages that may call it.
    pub cors: CorsOptions,
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
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = health(reporter, &parts.services);
    health.report_not_serving().await;
    health.report_alive().await;

    let clients = ClientAddress::new(&parts.proxies);
    let places = ConnectionLimits::new(&parts.limits, listener::allowed_connections(), clients.clone());
    let packages: Vec<String> = parts
        .services
        .iter()
        .map(|service| packages_of(service.name))
        .chain([COMMON_PACKAGES.into()])
        .collect();
    let stack =
        Arc::new(Stack::new(&packages, parts.authentication, clients, &parts.limits, shutdown.clone()));
    let router = routes(parts.services, &packages)?
        .add_service(health_service)
        .into_axum_router()
        .layer(axum::middleware::from_fn_with_state(stack.clone(), Stack::pass));

    let _background = AbortOnDropHandle::new(tokio::spawn(background(health.clone(), stack)));
    let _expiry = AbortOnDropHandle::new(tokio::spawn(tls::watch(parts.tls, parts.name)));

    let service = protocol::service(router, &parts.cors);
    let stopping = CancellationToken::new();
    let server = Arc::new(ConnectionServer::new(service, &parts.limits, stopping.clone()));
    let stop = async {
        shutdown.cancelled().await;
        // Health first, so that balancers look elsewhere while calls are still answered.
        health.report_not_serving().await;
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

fn health(reporter: HealthReporter, services: &[ServiceParts]) -> Health {
    let checked =
        services.iter().map(|service| (services_in(&packages_of(service.name)), service.readiness.clone()));
    Health::new(reporter, checked, services_in(COMMON_PACKAGES))
}

/// The generated servers of all services, with reflection and the server's info, each once.
fn routes(services: Vec<ServiceParts>, packages: &[String]) -> anyhow::Result<Routes> {
    let names: Vec<String> = packages.iter().flat_map(|packages| services_in(packages)).collect();
    let infos = services.iter().map(|service| &service.info);
    let siblings =
        if let [service] = services.as_slice() { service.described_siblings.clone() } else { Vec::new() };
    let info = ServerInfoHandler::new(&names, infos, siblings).context("the server's info")?;
    let descriptor_sets: Vec<_> = services.iter().map(|service| service.descriptor_set).collect();
    let all = services.into_iter().fold(Routes::default().into_axum_router(), |all, service| {
        all.merge(service.routes.into_axum_router().reset_fallback())
    });
    let info = crate::limited!(ServerInfoServiceServer::new(info), MAX_MESSAGE_BYTES);
    reflection::add_to(Routes::from(all).add_service(info), &descriptor_sets, &names)
}

/// Until shutdown, when health has its last word elsewhere.
async fn background(health: Health, stack: Arc<Stack>) {
    let mut interval = tokio::time::interval(rate_limit::FORGET_INTERVAL);
    let forgetting = async {
        loop {
            interval.tick().await;
            stack.forget_quiet();
        }
    };
    tokio::select! {
        () = health.follow() => {}
        () = forgetting => {}
        () = stack.shutdown.cancelled() => {}
    }
}
