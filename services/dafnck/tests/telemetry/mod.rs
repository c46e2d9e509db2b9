//! What leaves for an OpenTelemetry collector: the names that dashboards and alert rules stand on, and whether the
//! numbers are what happened.

mod collector;
mod panels;

use std::collections::BTreeSet;
use std::time::Duration;

use diesel_async::SimpleAsyncConnection as _;
use futures::future::join_all;
use local_servers::RunningPostgres;
use proto::identity::v1 as pb;
use proto::identity::v1::auth_service_client::AuthServiceClient;
use proto::project::v1::project_service_client::ProjectServiceClient;
use proto::project::v1::{GetProjectRequest, ListProjectsRequest};
use shared::config::DEFAULT_DATABASE_POOL_SIZE;
use testkit::{Actor, Service, free_port, until, until_ok};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::deploy::metric_names::names_in_prometheus;
use crate::local_suite::Machine;
use collector::Collector;
use panels::{Prometheus, panels_show_the_suite};

const NAMES: &str = include_str!("../metrics.txt");
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Calls that run in the same moment: more than wait for a hash at most, so that some are refused.
const FLOOD: usize = 120;
/// Connections that nobody got and evictions need not happen in so short a time, and there is no certificate.
const RARE: [&str; 4] = [
    "db.client.connection.timeouts",
    "dafnck.session_cache.evictions",
    "dafnck.change_feed.expired",
    "tls.certificate.remaining",
];

/// Services and the feeds that they follow. Nobody watches, so nobody reads for watchers.
const FOLLOWERS: [&str; 8] = [
    "content comment_anchors",
    "content deleted_files",
    "content deleted_tasks",
    "content project_access",
    "project content_events",
    "project project_events",
    "project task_events",
    "task project_access",
];
/// The trace of a call, as its caller names it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// The longest that a call waits for a connection.
const LONGEST_WAIT_SECONDS: f64 = 3.0;

/// The whole suite as people run it, which tells this collector everything at once; and Olga, who has registered.
async fn observed() -> (Collector, Machine, Actor) {
    observed_also_at(free_port().unwrap()).await
}

/// The same, also at this port by Prometheus.
async fn observed_also_at(port: u16) -> (Collector, Machine, Actor) {
    let (collector, url) = Collector::start().await;
    let mut machine = Machine::new();
    let variables = [
        ("DAFNCK_METRICS_LISTEN", &*format!("127.0.0.1:{port}")),
        ("DAFNCK_OTLP_ENDPOINT", url.as_str()),
        ("DAFNCK_SLOW_STATEMENT_MILLISECONDS", "1"),
        ("DAFNCK_LOG_FILTER", "info"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "200"),
    ];
    machine.start_with("data", &variables).await;
    let olga = machine.register("data", "olga").await;
    (collector, machine, olga)
}

/// What an HTTP client reads there.
async fn metrics_at(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Under the names that a collector gives to what is wanted.
async fn prometheus_reads_the_same(prometheus: u16, wanted: impl Iterator<Item = &String>) {
    let read = metrics_at(prometheus, "/metrics").await;
    for line in wanted {
        let words: Vec<&str> = line.split(' ').collect();
        for name in names_in_prometheus(words[0], words[1], words[2]) {
            let is_it =
                |line: &str| line.strip_prefix(&*name).is_some_and(|rest| rest.starts_with([' ', '{']));
            assert!(read.lines().any(is_it), "{name}: {read}");
        }
    }
    assert!(read.contains("target_info{") && !read.contains("otel_scope_name"), "{read}");
    assert!(metrics_at(prometheus, "/").await.starts_with("HTTP/1.1 404 "));
}

/// A login flood, part of which is refused; and a call that fails at us: identity has no projects.
async fn trouble(identity: Channel) {
    let logins = (0..FLOOD).map(|n| {
        let (login, password) = (format!("nobody{n}"), "wrong password".to_owned());
        let login = pb::LoginRequest { login, password, ..Default::default() };
        let mut auth = AuthServiceClient::new(identity.clone());
        async move { auth.login(login).await.err() }
    });
    join_all(logins).await;
    let refusal = ProjectServiceClient::new(identity).get_project(GetProjectRequest::default()).await;
    assert_eq!(refusal.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn traces_metrics_and_logs_leave_under_the_names_that_rules_stand_on() {
    let prometheus = free_port().unwrap();
    let (collector, machine, olga) = observed_also_at(prometheus).await;
    for _ in 0..2 {
        olga.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap();
    }
    trouble(Channel::from_shared(machine.url(Service::Identity)).unwrap().connect_lazy()).await;
    let wanted: BTreeSet<String> =
        NAMES.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let demanded = |line: &&String| !RARE.iter().any(|name| line.starts_with(name));
    until_ok("all metrics arrive", ARRIVAL_TIMEOUT, async || {
        let arrived = collector.lines();
        let missing: Vec<&String> =
            wanted.iter().filter(demanded).filter(|line| !arrived.contains(*line)).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    })
    .await;

    let unlisted: Vec<String> = collector.lines().into_iter().filter(|line| !wanted.contains(line)).collect();
    assert_eq!(unlisted, [""; 0], "what is sent is in tests/metrics.txt");
    prometheus_reads_the_same(prometheus, wanted.iter().filter(demanded)).await;
    let arrived = collector.arrived();
    assert_eq!(arrived.points_of("dafnck.change_feed.lag"), FOLLOWERS);
    assert!(arrived.services.contains("dafnck"), "{:?}", arrived.services);
    assert!(arrived.spans.contains("dafnck.identity.v1.AuthService/Register"), "{:?}", arrived.spans);
    let logs = format!("{:?}", arrived.logs);
    assert!(!logs.contains("olga@example.org"), "no values of statements");
}

/// What happens in no test: a pool that is empty, a certificate that ends, work that fails; and what looks back for days.
const RARE_IN_PANELS: [&str; 7] = [
    "timeouts_total",
    "evictions_total",
    "tls_certificate",
    "outcome=\"failed\"",
    "offset 7d",
    "[1d]",
    "[3d]",
];

#[tokio::test]
async fn panels_of_dashboards_show_the_suite_in_prometheus() {
    let port = free_port().unwrap();
    let mut machine = Machine::new();
    let listen = format!("127.0.0.1:{port}");
    let variables = [("DAFNCK_METRICS_LISTEN", &*listen), ("DAFNCK_SLOW_STATEMENT_MILLISECONDS", "1")];
    machine.start_with("data", &variables).await;
    let olga = machine.register("data", "olga").await;
    let prometheus = Prometheus::start(port).await;
    let identity = Channel::from_shared(machine.url(Service::Identity)).unwrap().connect_lazy();
    let traffic = async {
        loop {
            trouble(identity.clone()).await;
            olga.projects().list_projects(ListProjectsRequest::default()).await.unwrap();
            olga.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap();
        }
    };
    let is_rare = |expression: &str| RARE_IN_PANELS.iter().any(|rare| expression.contains(rare));
    tokio::select! {
        () = panels_show_the_suite(&prometheus, is_rare) => {}
        () = traffic => {}
    }
    machine.stop().await;
}

/// How many of identity's connections for requests are in this state, as it was last told.
fn connections(collector: &Collector, state: &str) -> f64 {
    collector.measured("db.client.connection.count", &format!("identity_service {state}")).sum
}

/// A call under [`TRACE`] waits for a table until its connection was seen in use.
async fn is_held_up(collector: &Collector, machine: &Machine, who: &Actor) {
    let url = RunningPostgres::find(&machine.path("data")).unwrap().admin_url("dafnck");
    let mut admin = shared::database::connect(&url).await.unwrap();
    admin.batch_execute("BEGIN; LOCK TABLE identity.user_sessions").await.unwrap();
    let mut request = Request::new(pb::ListSessionsRequest::default());
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    let mut sessions = who.account();
    let release = async {
        until("one is in use", ARRIVAL_TIMEOUT, async || connections(collector, "used") >= 1.0).await;
        admin.batch_execute("COMMIT").await.unwrap();
    };
    let (listed, ()) = tokio::join!(sessions.list_sessions(request), release);
    listed.unwrap();
}

#[tokio::test]
async fn what_is_told_of_pools_sessions_and_slow_statements_is_what_happened() {
    let (collector, machine, olga) = observed().await;
    is_held_up(&collector, &machine, &olga).await;
    until("none is in use any more", ARRIVAL_TIMEOUT, async || connections(&collector, "used") == 0.0).await;
    let most = collector.measured("db.client.connection.max", "identity_service").sum;
    assert_eq!(most, f64::from(DEFAULT_DATABASE_POOL_SIZE));
    let idle = connections(&collector, "idle");
    assert!((1.0..=most).contains(&idle), "{idle} of {most}");
    let wait = collector.measured("db.client.connection.wait_time", "identity_service");
    assert!(wait.count >= 2, "each call that has asked the database: {wait:?}");
    assert!((0.0..LONGEST_WAIT_SECONDS).contains(&(wait.sum / wait.count as f64)), "{wait:?}");

    until("the slow statement's log arrives under its call's trace", ARRIVAL_TIMEOUT, async || {
        collector.arrived().logs.iter().any(|log| {
            let is = |key: &str, value: &str| log.attributes.get(key).is_some_and(|own| own == value);
            let statement = log.attributes.get("statement").map_or("", String::as_str);
            log.text == "a statement was slow"
                && statement.contains("user_sessions")
                && is("trace_id", TRACE)
                && is("pool", "identity_service")
        })
    })
    .await;

    // Beside the call that was held up: the first asks elsewhere who it is, the others remember.
    for _ in 0..5 {
        olga.projects().list_projects(ListProjectsRequest::default()).await.unwrap();
    }
    let looked_up = |result: &str| collector.measured("dafnck.session_cache.lookups", result).sum;
    until("each call has looked once", ARRIVAL_TIMEOUT, async || looked_up("hit") + looked_up("miss") == 6.0)
        .await;
    assert!(looked_up("hit") >= 4.0 && looked_up("miss") >= 1.0, "{} hits", looked_up("hit"));
}
