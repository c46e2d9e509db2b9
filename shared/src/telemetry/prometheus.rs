//! The metrics as Prometheus reads them, on a port of their own.
//!
//! Plain HTTP without authentication, so the port belongs on a loopback or a private network. What is measured is the
//! same as what an OpenTelemetry collector gets, under the names that the collector gives to Prometheus.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Bytes;
use opentelemetry_prometheus::PrometheusExporter;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

use crate::small_http;

const PATH: &str = "/metrics";

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
    tokio::spawn(small_http::serve(listener, move |request| {
        std::future::ready(respond(&request, &registry))
    }));
    Ok(exporter)
}

fn respond(request: &Request<()>, registry: &Registry) -> Response<Bytes> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, PATH) => match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        (_, PATH) => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        _ => (StatusCode::NOT_FOUND, format!("the metrics are at {PATH}\n")),
    };
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(TEXT_FORMAT));
    response
}
