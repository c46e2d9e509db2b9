//! The server stack, built once for all services: see [`serve`], and `stack` for the way of a call.

mod body;
mod client_address;
mod codec_errors;
mod deadline;
mod health;
mod info;
mod metrics;
mod rate_limit;
mod reflection;
mod request_body;
mod stack;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_web::GrpcWebLayer;

use crate::authentication::Authentication;
use crate::config::{LimitOptions, ProxyOptions, TlsOptions};
use crate::tls::{self, ServerTls};
use proto::common::ServerInfo;
use proto::common::server_info_service_server::ServerInfoServiceServer;

pub use deadline::{DEFAULT_TIMEOUT, Deadline, GRPC_TIMEOUT, MAX_STREAM_TIMEOUT, MAX_TIMEOUT};
pub use health::ALIVE;

use client_address::ClientAddress;
use health::Health;
use info::ServerInfoHandler;
use stack::Stack;

/// The largest message that a service takes or sends; what is larger is streamed.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// How long running calls may go on after the server was told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open streams may go on then; their readers go on elsewhere from where they were.
pub const DRAIN_STREAMS_AFTER: Duration = Duration::from_secs(3);
/// Calls in flight on one connection.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 256;
/// Bytes of headers of one call.
pub const MAX_HEADER_BYTES: u32 = 16 * 1024;

const HTTP2_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const HTTP2_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// What every server serves beside its own services, without authentication.
pub const INFRASTRUCTURE_SERVICES: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// Answers whether the service can do its work, that is, reach what it cannot do without.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// What makes one server different from another.
pub struct ServerParts {
    /// The service's name as in its package: `dafnck.<name>.v1`.
    pub name: &'static str,
    /// Its encoded descriptor set, which reflection shows.
    pub descriptor_set: &'static [u8],
    /// Its generated servers, made with [`routes!`](crate::routes).
    pub routes: Routes,
    /// The limits and features that this server has beside those that all have.
    pub info: ServerInfo,
    /// Who calls.
    pub authentication: Authentication,
    /// Asked every second; what health reports.
    pub readiness: Readiness,
    /// Proxies in front.
    pub proxies: ProxyOptions,
    /// Limits on work.
    pub limits: LimitOptions,
    /// Certificates.
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
    let transport = transport(&parts.limits);
    let tls = ServerTls::new(&parts.tls).context("the TLS certificate")?;
    let own_services = reflection::own_services(parts.name);
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health::new(reporter, &own_services);
    health.report(ServingStatus::NotServing).await;
    health.report_alive().await;

    let clients = ClientAddress::new(&parts.proxies);
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

    let stop = shutdown.clone();
    let told_to_stop = async move {
        stop.cancelled().await;
        // Health first, so that balancers look elsewhere while calls are still answered.
        health.report(ServingStatus::NotServing).await;
    };
    // Outermost: below it, a browser's call is a gRPC call like any other.
    let router = transport.layer(GrpcWebLayer::new()).add_routes(Routes::from(router));
    let plain = incoming(listener);
    let serving = match tls {
        None => router.serve_with_incoming_shutdown(plain, told_to_stop).left_future(),
        Some(tls) => {
            let encrypted = Box::pin(tls::accept(plain, tls));
            router.serve_with_incoming_shutdown(encrypted, told_to_stop).right_future()
        }
    };
    tokio::select! {
        result = serving => result.context("serving"),
        () = drain_time_is_over(&shutdown) => {
            tracing::warn!(service = parts.name, "calls were still running after {DRAIN_TIMEOUT:?}; they are cut off");
            Ok(())
        }
    }
}

async fn drain_time_is_over(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN_TIMEOUT).await;
}

/// Until shutdown, when health has its last word elsewhere.
async fn background(health: Health, readiness: Readiness, stack: Arc<Stack>) {
    let mut interval = tokio::time::interval(rate_limit::FORGET_INTERVAL);
    let forgetting = async {
        loop {
            interval.tick().await;
            stack.rate_limit.forget_quiet_callers();
        }
    };
    tokio::select! {
        () = health.follow(readiness) => {}
        () = forgetting => {}
        () = stack.shutdown.cancelled() => {}
    }
}

fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE))
}

fn transport(limits: &LimitOptions) -> Server {
    Server::builder()
        // gRPC-Web comes over HTTP/1.1 too.
        .accept_http1(true)
        .http2_keepalive_interval(Some(HTTP2_KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(HTTP2_KEEPALIVE_TIMEOUT))
        // A client stays with the replica that it connected to: by and by it is to find new ones. Calls and streams
        // that run then go on to their ends.
        .max_connection_age(Duration::from_secs(limits.connection_age_seconds.into()))
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
}
