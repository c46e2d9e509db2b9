//! The metrics as Prometheus reads them, on a port of their own.
//!
//! Plain HTTP without authentication, so the port belongs on a loopback or a private network. What is measured is the
//! same as what an OpenTelemetry collector gets, under the names that the collector gives to Prometheus.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context as _;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use opentelemetry_prometheus::PrometheusExporter;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::sync::Semaphore;

const PATH: &str = "/metrics";
/// Connections at a time: Prometheus has one or two.
const MAX_CONNECTIONS: usize = 16;
/// How long after a connection that could not be accepted the next one is.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Serves what the exporter reads, until the process ends.
///
/// # Errors
/// When the port is taken.
pub(super) fn serve(address: SocketAddr) -> anyhow::Result<PrometheusExporter> {
    let cannot = || format!("cannot serve metrics on {address}");
    let listener = TcpListener::bind(address).with_context(cannot)?;
    listener.set_nonblocking(true).with_context(cannot)?;
    let listener = tokio::net::TcpListener::from_std(listener).with_context(cannot)?;
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()
        .with_context(cannot)?;
    tokio::spawn(accept(listener, registry));
    Ok(exporter)
}

async fn accept(listener: tokio::net::TcpListener, registry: Registry) {
    static CONNECTIONS: Semaphore = Semaphore::const_new(MAX_CONNECTIONS);
    while let Ok(place) = CONNECTIONS.acquire().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(RETRY_DELAY).await;
            continue;
        };
        let registry = registry.clone();
        tokio::spawn(async move {
            let respond = service_fn(|request| std::future::ready(respond(&request, &registry)));
            let builder = Builder::new(TokioExecutor::new());
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), respond).await {
                tracing::debug!(error, "a reader of metrics went away");
            }
            drop(place);
        });
    }
}

fn respond(request: &Request<Incoming>, registry: &Registry) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, PATH) => match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        (_, PATH) => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        _ => (StatusCode::NOT_FOUND, format!("the metrics are at {PATH}\n")),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(TEXT_FORMAT));
    Ok(response)
}
