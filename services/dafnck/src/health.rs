//! `dafnck health`: whether the services are ready, for people and for health checks of containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use shared::config::{SiblingOptions, TlsOptions};
use shared::server::ALIVE;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::certificates;
use crate::paths::DEFAULT_DATA_DIRECTORY;
use crate::progress::print_line;
use local_servers::suite::NAMES;

/// The name under which each service says whether it is ready, down to its database.
const READY: &str = "";
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// UserSelector services, and where they are.
#[derive(Args, Clone, Debug)]
pub struct HealthOptions {
    /// Only these. Default: all four
    #[arg(value_name = "SERVICE", value_parser = PossibleValuesParser::new(NAMES))]
    pub services: Vec<String>,
    /// Only the one at this URL, whichever it is; for probes
    #[arg(long, value_name = "URL", conflicts_with = "services")]
    pub at: Option<String>,
    /// Ask only whether it answers, and not whether it is ready: a service without its database is alive
    #[arg(long)]
    pub alive: bool,
    /// Data directory of the local suite, to find whether it speaks TLS
    #[arg(long, env = "DAFNCK_DATA_DIRECTORY", default_value = DEFAULT_DATA_DIRECTORY)]
    pub data_directory: PathBuf,
    /// Where the services are.
    #[command(flatten)]
    pub siblings: SiblingOptions,
    /// PEM file with the authorities that services at `https` URLs are checked against. Default: the system's
    #[arg(long, env = "DAFNCK_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
}

/// Asks them and prints what they say.
///
/// # Errors
/// When one is not ready.
pub async fn command(options: &HealthOptions) -> anyhow::Result<()> {
    let tls = TlsOptions { tls_ca: options.tls_ca.clone(), ..TlsOptions::default() };
    let (siblings, tls) = certificates::complete(&options.data_directory, &options.siblings, &tls);
    let is_wanted =
        |name: &str| options.services.is_empty() || options.services.iter().any(|wanted| wanted == name);
    let asked: Vec<(&str, &str)> = match &options.at {
        Some(url) => vec![("service", url)],
        None => NAMES.into_iter().zip(urls(&siblings)).filter(|(name, _)| is_wanted(name)).collect(),
    };
    let question = if options.alive { ALIVE } else { READY };
    let mut ready = true;
    for (name, url) in asked {
        let said = match ask(url, question, tls.tls_ca.as_deref()).await {
            Ok(ServingStatus::Serving) => (if options.alive { "alive" } else { "ready" }).to_owned(),
            Ok(status) => {
                ready = false;
                status.as_str_name().to_owned()
            }
            Err(error) => {
                ready = false;
                format!("{error:#}")
            }
        };
        print_line!("{name:<10}{url:<26}{said}");
    }
    ensure!(ready, "not all of them are {}", if options.alive { "alive" } else { "ready" });
    Ok(())
}

/// Whether all four are ready.
pub async fn all_ready(services: &SiblingOptions, tls_ca: Option<&Path>) -> bool {
    let answers = futures::future::join_all(urls(services).map(|url| is_ready(url, tls_ca))).await;
    answers.into_iter().all(|answer| answer.unwrap_or(false))
}

pub(crate) fn urls(services: &SiblingOptions) -> [&str; 4] {
    let SiblingOptions { identity_url, project_url, task_url, content_url } = services;
    [identity_url, project_url, task_url, content_url]
}

/// Whether the service at this URL is ready.
pub(crate) async fn is_ready(url: &str, tls_ca: Option<&Path>) -> anyhow::Result<bool> {
    Ok(ask(url, READY, tls_ca).await? == ServingStatus::Serving)
}

async fn ask(url: &str, question: &str, tls_ca: Option<&Path>) -> anyhow::Result<ServingStatus> {
    // All of it: the endpoint's own limits leave the handshake of TLS out.
    let answer = tokio::time::timeout(ANSWER_LIMIT, check(url, question, tls_ca)).await;
    answer.with_context(|| format!("no answer within {ANSWER_LIMIT:?}"))?
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
    let mut health = HealthClient::new(endpoint.connect().await?);
    Ok(health.check(HealthCheckRequest { service: question.to_owned() }).await?.into_inner().status())
}
