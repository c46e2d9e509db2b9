//! What leaves for an OpenTelemetry collector: the names that dashboards and alert rules stand on.
//!
//! A collector of the test's own takes what a real `dafnck` sends (OTLP over gRPC).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use shared::proto::identity::v1 as pb;
use shared::proto::identity::v1::auth_service_client::AuthServiceClient;
use shared::proto::project::v1::GetProjectRequest;
use shared::proto::project::v1::project_service_client::ProjectServiceClient;
use suite::testing::until;
use tempfile::TempDir;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};

const NAMES: &str = include_str!("metrics.txt");
/// A first start makes a database.
const START_LIMIT: Duration = Duration::from_secs(90);
const ARRIVAL_LIMIT: Duration = Duration::from_secs(30);
/// Calls that run in the same moment: more than wait for a hash at most, so that some are refused.
const FLOOD: usize = 120;
/// Connections that nobody got and evictions need not happen in so short a time, and there is no certificate.
const RARE: [&str; 3] =
    ["db.client.connection.timeouts", "dafnck.session_cache.evictions", "tls.certificate.remaining"];

/// Services and the feeds that they follow. Nobody watches, so nobody reads for watchers.
const FOLLOWERS: [&str; 4] =
    ["content deleted_files", "content deleted_tasks", "content project_access", "task project_access"];

/// What has arrived: each metric's kind and unit with the attributes of its points; names of spans; texts of logs.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Arrived>>);

#[derive(Default)]
struct Arrived {
    metrics: BTreeMap<String, (String, BTreeSet<String>)>,
    /// Who follows which feed: the values of `consumer` and `feed`.
    followers: BTreeSet<String>,
    services: BTreeSet<String>,
    spans: BTreeSet<String>,
    logs: BTreeSet<String>,
}

fn keys(attributes: &[KeyValue]) -> impl Iterator<Item = String> {
    attributes.iter().map(|attribute| attribute.key.clone())
}

/// The values of a gauge's attributes, for each of its points.
fn values(metric: &Metric) -> impl Iterator<Item = String> {
    let Some(Data::Gauge(gauge)) = &metric.data else { panic!("{} is no gauge", metric.name) };
    gauge.data_points.iter().map(|point| {
        let texts = point.attributes.iter().filter_map(|a| match a.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some((a.key.as_str(), text.as_str())),
            _ => None,
        });
        texts.collect::<BTreeMap<_, _>>().into_values().collect::<Vec<_>>().join(" ")
    })
}

fn kind_and_attributes(metric: &Metric) -> (&'static str, BTreeSet<String>) {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => ("gauge", gauge.data_points.iter().flat_map(|p| keys(&p.attributes)).collect()),
        Data::Sum(sum) => (
            if sum.is_monotonic { "counter" } else { "sum" },
            sum.data_points.iter().flat_map(|p| keys(&p.attributes)).collect(),
        ),
        Data::Histogram(all) => {
            ("histogram", all.data_points.iter().flat_map(|p| keys(&p.attributes)).collect())
        }
        other => panic!("{other:?} is of a kind that we do not send"),
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut arrived = self.0.lock().unwrap();
        for resource in request.into_inner().resource_metrics {
            let of = resource.resource.unwrap_or_default().attributes;
            let name = of.into_iter().find(|a| a.key == "service.name").and_then(|a| a.value).unwrap();
            arrived.services.insert(format!("{:?}", name.value.unwrap()));
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let (kind, attributes) = kind_and_attributes(&metric);
                if metric.name == "dafnck.change_feed.lag" {
                    arrived.followers.extend(values(&metric));
                }
                let known = arrived.metrics.entry(metric.name).or_default();
                known.0 = format!("{kind} {}", metric.unit);
                known.1.extend(attributes);
            }
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
        self.0.lock().unwrap().spans.extend(spans.map(|span| span.name));
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
        self.0
            .lock()
            .unwrap()
            .logs
            .extend(records.map(|record| format!("{:?} {:?}", record.body, record.attributes)));
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Collector {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder()
            .add_service(MetricsServiceServer::new(self.clone()))
            .add_service(TraceServiceServer::new(self.clone()))
            .add_service(LogsServiceServer::new(self.clone()));
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        tokio::spawn(server.serve_with_incoming(incoming));
        url
    }

    /// The metrics that have arrived, in the form of the list.
    fn lines(&self) -> BTreeSet<String> {
        let arrived = self.0.lock().unwrap();
        let line = |(name, (kind, attributes)): (&String, &(String, BTreeSet<String>))| {
            let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
            format!("{name} {kind} {}", attributes.join(" ")).trim_end().to_owned()
        };
        arrived.metrics.iter().map(line).collect()
    }
}

/// The whole suite as people run it, on a folder of its own. Ends with the test.
struct Dafnck {
    process: Child,
    identity: Channel,
    _data: TempDir,
}

impl Drop for Dafnck {
    fn drop(&mut self) {
        let _already_dead = self.process.kill();
        self.process.wait().unwrap();
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

impl Dafnck {
    async fn run(collector: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache");
        let [identity, project, task, content, postgres, redis] = free_ports();
        let process = Command::new(env!("CARGO_BIN_EXE_dafnck"))
            .arg("run")
            .arg("--data-folder")
            .arg(data.path().join("data"))
            .arg("--cache-folder")
            .arg(cache)
            .args(["--ports", &format!("{identity},{project},{task},{content}")])
            .args(["--postgres-port", &postgres.to_string(), "--redis-port", &redis.to_string()])
            .args([
                "--otlp-endpoint",
                collector,
                "--slow-statement-milliseconds",
                "1",
                "--log-filter",
                "info",
            ])
            .env("OTEL_METRIC_EXPORT_INTERVAL", "500")
            .env("OTEL_BSP_SCHEDULE_DELAY", "200")
            .env("OTEL_BLRP_SCHEDULE_DELAY", "200")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let identity = Channel::from_shared(format!("http://127.0.0.1:{identity}")).unwrap().connect_lazy();
        Self { process, identity, _data: data }
    }

    async fn register(&self, name: &str) -> Result<(), Status> {
        let request = pb::RegisterRequest {
            email: format!("{name}@example.org"),
            username: name.to_owned(),
            password: "correct horse battery".to_owned(),
            ..Default::default()
        };
        let made = AuthServiceClient::new(self.identity.clone()).register(request).await?.into_inner();
        let token = made.tokens.unwrap().session_token;
        for _ in 0..2 {
            let mut who = Request::new(pb::WhoAmIRequest::default());
            who.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
            AuthServiceClient::new(self.identity.clone()).who_am_i(who).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn traces_metrics_and_logs_leave_under_the_names_that_rules_stand_on() {
    let collector = Collector::default();
    let dafnck = Dafnck::run(&collector.start().await).await;
    let mut tries = 0;
    until("registered", START_LIMIT, async || {
        tries += 1;
        dafnck.register(&format!("olga{tries}")).await.is_ok()
    })
    .await;
    // A login flood, part of which is refused; and a call that fails at us: identity has no projects.
    let identity = &dafnck.identity;
    let logins = (0..FLOOD).map(|n| async move {
        let login = pb::LoginRequest { login: format!("nobody{n}"), password: "wrong password".to_owned() };
        AuthServiceClient::new(identity.clone()).login(login).await.err()
    });
    futures::future::join_all(logins).await;
    let mut elsewhere = ProjectServiceClient::new(dafnck.identity.clone());
    assert_eq!(
        elsewhere.get_project(GetProjectRequest::default()).await.unwrap_err().code(),
        Code::Unimplemented
    );
    let wanted: BTreeSet<String> =
        NAMES.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let demanded = wanted.iter().filter(|line| !RARE.iter().any(|name| line.starts_with(name)));
    let mut missing: Vec<&String> = demanded.collect();
    let start = Instant::now();
    while !missing.is_empty() {
        assert!(start.elapsed() < ARRIVAL_LIMIT, "not within {ARRIVAL_LIMIT:?}: {missing:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let arrived = collector.lines();
        missing.retain(|line| !arrived.contains(*line));
    }
    let unlisted: Vec<String> = collector.lines().into_iter().filter(|line| !wanted.contains(line)).collect();
    assert_eq!(unlisted, [""; 0], "what is sent is in tests/metrics.txt");
    let arrived = collector.0.lock().unwrap();
    let followers: Vec<&str> = arrived.followers.iter().map(String::as_str).collect();
    assert_eq!(followers, FOLLOWERS);
    assert!(arrived.services.iter().any(|name| name.contains("dafnck")), "{:?}", arrived.services);
    assert!(arrived.spans.contains("dafnck.identity.v1.AuthService/Register"), "{:?}", arrived.spans);
    let slow =
        arrived.logs.iter().find(|log| log.contains("a statement was slow")).expect("a slow statement");
    assert!(slow.contains("trace_id") && slow.contains("pool"), "{slow}");
    assert!(!arrived.logs.iter().any(|log| log.contains("olga1@example.org")), "no values of statements");
}
