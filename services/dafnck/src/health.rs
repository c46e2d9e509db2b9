//! `dafnck health`: whether the services are ready, for people and for health checks of containers.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use futures::future::join_all;
use serde::Serialize;
use shared::config::{SiblingOptions, TlsOptions};
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::call_error::explain;
use crate::operator::ServiceUrls;
use crate::output;
use local_servers::suite::NAMES;

/// The name under which a server says whether it is ready, whichever service it is.
const ANY: &str = "";
/// The names under which each service says whether it is ready, down to its database; no other service knows them.
const READY: [&str; 4] = [
    "dafnck.identity.v1.AuthService",
    "dafnck.project.v1.ProjectService",
    "dafnck.task.v1.TaskService",
    "dafnck.content.v1.DocumentService",
];
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Which services, and where they are.
#[derive(Args, Clone, Debug)]
pub struct HealthOptions {
    /// Only these. Default: all four
    #[arg(value_name = "SERVICE", value_parser = PossibleValuesParser::new(NAMES))]
    pub services: Vec<String>,
    /// Only the one at this URL, whichever it is; for probes
    #[arg(long, value_name = "URL", conflicts_with = "services")]
    pub url: Option<String>,
    /// Ask only whether it answers, and not whether it is ready: a service without its database is alive
    #[arg(long)]
    pub alive: bool,
    /// Data directory of the local suite.
    #[arg(from_global)]
    pub data_directory: PathBuf,
    /// Where the services are.
    #[command(flatten)]
    pub urls: ServiceUrls,
    /// PEM file with the authorities that services at `https` URLs are checked against. Default: the system's, or that of
    /// the local suite
    #[arg(long, env = "DAFNCK_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
}

/// What the services say.
#[derive(Serialize)]
struct HealthReport {
    /// Whether all of them are as they should be.
    ok: bool,
    services: Vec<ServiceHealth>,
}

#[derive(Serialize)]
struct ServiceHealth {
    name: &'static str,
    url: String,
    ok: bool,
    status: String,
}

impl fmt::Display for HealthReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            |ServiceHealth { name, url, status, .. }: &ServiceHealth| format!("{name:<10}{url:<26}{status}");
        self.services.iter().try_for_each(|service| writeln!(out, "{}", line(service)))
    }
}

/// Asks them and prints what they say.
///
/// # Errors
/// When one is not ready.
pub async fn command(options: &HealthOptions) -> anyhow::Result<()> {
    let tls = TlsOptions { tls_ca: options.tls_ca.clone(), ..TlsOptions::default() };
    let (siblings, tls) = options.urls.find(&options.data_directory, &tls)?;
    let is_wanted =
        |name: &str| options.services.is_empty() || options.services.iter().any(|wanted| wanted == name);
    let asked: Vec<(&str, &str, &str)> = match &options.url {
        Some(url) => vec![("service", url, ANY)],
        None => {
            let all = NAMES.into_iter().zip(urls(&siblings)).zip(READY);
            all.map(|((name, url), ready)| (name, url, ready)).filter(|(name, ..)| is_wanted(name)).collect()
        }
    };
    let wanted = if options.alive { "alive" } else { "ready" };
    let mut services = Vec::new();
    for (name, url, question) in asked {
        let (ok, status) = match ask(url, question, tls.tls_ca.as_deref()).await {
            Ok(ServingStatus::Serving) => (true, wanted.to_owned()),
            Ok(_) if options.alive => (true, wanted.to_owned()),
            Ok(status) => (false, status.as_str_name().to_owned()),
            Err(error) => (false, format!("{error:#}")),
        };
        services.push(ServiceHealth { name, url: url.to_owned(), ok, status });
    }
    let report = HealthReport { ok: services.iter().all(|service| service.ok), services };
    output::report(&report)?;
    ensure!(report.ok, "not all of them are {wanted}");
    Ok(())
}

/// Whether all four are ready.
pub async fn all_ready(services: &SiblingOptions, tls_ca: Option<&Path>) -> bool {
    let answers = are_ready(services, tls_ca).await;
    answers.into_iter().all(|answer| answer.unwrap_or(false))
}

pub(crate) fn urls(services: &SiblingOptions) -> [&str; 4] {
    let SiblingOptions { identity_url, project_url, task_url, content_url } = services;
    [identity_url, project_url, task_url, content_url]
}

/// Whether each of the four is ready, in the order of [`NAMES`].
pub(crate) async fn are_ready(services: &SiblingOptions, tls_ca: Option<&Path>) -> Vec<anyhow::Result<bool>> {
    let ask = async |(url, ready)| Ok(ask(url, ready, tls_ca).await? == ServingStatus::Serving);
    join_all(urls(services).into_iter().zip(READY).map(ask)).await
}

async fn ask(url: &str, question: &str, tls_ca: Option<&Path>) -> anyhow::Result<ServingStatus> {
    // All of it: the endpoint's own limits leave the handshake of TLS out.
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, check(url, question, tls_ca)).await;
    answer.with_context(|| format!("no answer within {ANSWER_TIMEOUT:?}"))?
}

async fn check(url: &str, question: &str, tls_ca: Option<&Path>) -> anyhow::Result<ServingStatus> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())?;
    if url.starts_with("https://") {
        let tls = match tls_ca {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(path)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls)?;
    }
    let channel = endpoint.connect().await.context("cannot connect. Is the suite running there?")?;
    let mut health = HealthClient::new(channel);
    match health.check(HealthCheckRequest { service: question.to_owned() }).await {
        Ok(answer) => Ok(answer.into_inner().status()),
        Err(status) if status.code() == Code::NotFound => bail!("another service answers there"),
        Err(status) => Err(explain(status)),
    }
}
