//! The export of traces, metrics and logs to an OpenTelemetry collector (OTLP over gRPC).

use std::time::Duration;

use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::Providers;

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Batches go out in the background; a collector that is away costs dropped telemetry, never a request.
pub(super) fn providers(endpoint: &str, service_name: &str) -> anyhow::Result<Providers> {
    let resource = Resource::builder().with_service_name(service_name.to_owned()).build();
    let spans =
        SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build()?;
    let metrics = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let logs =
        LogExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build()?;
    Ok(Providers {
        traces: SdkTracerProvider::builder()
            .with_batch_exporter(spans)
            .with_resource(resource.clone())
            .build(),
        metrics: SdkMeterProvider::builder()
            .with_periodic_exporter(metrics)
            .with_resource(resource.clone())
            .build(),
        logs: SdkLoggerProvider::builder().with_batch_exporter(logs).with_resource(resource).build(),
    })
}
