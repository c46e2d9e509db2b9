//! The export of traces, metrics and logs to an OpenTelemetry collector (OTLP over gRPC).

use std::time::Duration;

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::Providers;

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The service and which of its replicas this is: without the latter, the series of two replicas are one. As
/// `OTEL_RESOURCE_ATTRIBUTES` says, else by a random id.
fn resource(service_name: &str) -> Resource {
    let instance = Key::from_static_str("service.instance.id");
    let random = KeyValue::new(instance.clone(), uuid::Uuid::new_v4().to_string());
    let given = Resource::builder().build().get(&instance);
    Resource::builder()
        .with_service_name(service_name.to_owned())
        .with_attribute(given.map_or(random, |given| KeyValue::new(instance, given)))
        .build()
}

/// What sends to a collector: batches go out in the background; a collector that is away costs dropped telemetry, never a
/// request. Metrics also go to `prometheus`, if somebody reads them there.
pub(super) fn providers(
    endpoint: Option<&str>,
    prometheus: Option<PrometheusExporter>,
    service_name: &str,
) -> anyhow::Result<Providers> {
    let resource = resource(service_name);
    let mut providers = Providers::default();
    let mut metrics = SdkMeterProvider::builder().with_resource(resource.clone());
    if let Some(endpoint) = endpoint {
        let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT);
        let points =
            MetricExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT);
        let logs = LogExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT);
        let traces = SdkTracerProvider::builder().with_batch_exporter(spans.build()?);
        providers.traces = Some(traces.with_resource(resource.clone()).build());
        let logs = SdkLoggerProvider::builder().with_batch_exporter(logs.build()?);
        providers.logs = Some(logs.with_resource(resource).build());
        metrics = metrics.with_periodic_exporter(points.build()?);
    }
    if let Some(prometheus) = prometheus {
        metrics = metrics.with_reader(prometheus);
    }
    providers.metrics = Some(metrics.build());
    Ok(providers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_of_a_service_are_told_apart() {
        let id = || resource("task").get(&Key::from_static_str("service.instance.id")).unwrap().to_string();
        assert_ne!(id(), id());
        let name = resource("task").get(&Key::from_static_str("service.name")).unwrap().to_string();
        assert_eq!(name, "task");
    }
}
