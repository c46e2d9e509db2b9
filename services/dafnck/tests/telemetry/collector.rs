//! An OpenTelemetry collector of the test's own (OTLP over gRPC), which keeps what arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// What has arrived so far.
#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<ReceivedTelemetry>>);

#[derive(Default)]
pub struct ReceivedTelemetry {
    /// Kind and unit of each metric, and the names of its points' attributes.
    metrics: BTreeMap<String, (String, BTreeSet<String>)>,
    /// The newest of each metric's points, by the values of its attributes in the order of their names.
    points: BTreeMap<String, BTreeMap<String, MetricValue>>,
    pub services: BTreeSet<String>,
    pub spans: BTreeSet<String>,
    pub logs: Vec<Log>,
}

/// The value of a gauge, counter or sum; of a histogram, how many values there were and what they come to.
#[derive(Clone, Copy, Debug)]
pub struct MetricValue {
    pub count: u64,
    pub sum: f64,
}

#[derive(Debug)]
pub struct Log {
    pub text: String,
    pub attributes: BTreeMap<String, String>,
}

type Point = (BTreeMap<String, String>, MetricValue);

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute.value.clone()))).collect()
}

fn numbers(points: &[NumberDataPoint]) -> Vec<Point> {
    let measured = |point: &NumberDataPoint| match point.value.unwrap() {
        number_data_point::Value::AsDouble(sum) => MetricValue { count: 1, sum },
        number_data_point::Value::AsInt(sum) => MetricValue { count: 1, sum: sum as f64 },
    };
    points.iter().map(|point| (texts(&point.attributes), measured(point))).collect()
}

fn kind_and_points(metric: &Metric) -> (&'static str, Vec<Point>) {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => ("gauge", numbers(&gauge.data_points)),
        Data::Sum(sum) => (if sum.is_monotonic { "counter" } else { "sum" }, numbers(&sum.data_points)),
        Data::Histogram(all) => {
            let points = all.data_points.iter().map(|point| {
                (texts(&point.attributes), MetricValue { count: point.count, sum: point.sum.unwrap() })
            });
            ("histogram", points.collect())
        }
        other => panic!("{other:?} is of a kind that we do not send"),
    }
}

impl ReceivedTelemetry {
    fn take(&mut self, metric: Metric) {
        let (kind, points) = kind_and_points(&metric);
        let known = self.metrics.entry(metric.name.clone()).or_default();
        known.0 = format!("{kind} {}", metric.unit);
        known.1.extend(points.iter().flat_map(|(attributes, _)| attributes.keys().cloned()));
        let newest = self.points.entry(metric.name).or_default();
        newest.extend(points.into_iter().map(|(attributes, measured)| {
            (attributes.into_values().collect::<Vec<_>>().join(" "), measured)
        }));
    }

    /// Of which attributes' values there are points of a metric.
    pub fn points_of(&self, metric: &str) -> Vec<&str> {
        self.points.get(metric).into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut arrived = self.arrived();
        for resource in request.into_inner().resource_metrics {
            let mut of = texts(&resource.resource.unwrap_or_default().attributes);
            arrived.services.insert(of.remove("service.name").unwrap());
            resource
                .scope_metrics
                .into_iter()
                .flat_map(|scope| scope.metrics)
                .for_each(|metric| arrived.take(metric));
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.arrived().spans.extend(spans.map(|span| span.name));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let resources = request.into_inner().resource_logs.into_iter();
        let records = resources.flat_map(|resource| resource.scope_logs).flat_map(|scope| scope.log_records);
        let logs =
            records.map(|record| Log { text: text(record.body), attributes: texts(&record.attributes) });
        self.arrived().logs.extend(logs);
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Collector {
    /// Starts one, and tells its URL.
    pub async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder()
            .add_service(MetricsServiceServer::new(collector.clone()))
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(LogsServiceServer::new(collector.clone()));
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        tokio::spawn(server.serve_with_incoming(incoming));
        (collector, url)
    }

    pub fn arrived(&self) -> MutexGuard<'_, ReceivedTelemetry> {
        self.0.lock().unwrap()
    }

    /// The metrics that have arrived, in the form of the list.
    pub fn lines(&self) -> BTreeSet<String> {
        let line = |(name, (kind, attributes)): (&String, &(String, BTreeSet<String>))| {
            let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
            format!("{name} {kind} {}", attributes.join(" ")).trim_end().to_owned()
        };
        self.arrived().metrics.iter().map(line).collect()
    }

    /// The newest point of a metric with these values of its attributes; none is nothing.
    pub fn measured(&self, metric: &str, attributes: &str) -> MetricValue {
        let nothing = MetricValue { count: 0, sum: 0.0 };
        let arrived = self.arrived();
        arrived.points.get(metric).and_then(|points| points.get(attributes)).copied().unwrap_or(nothing)
    }
}
