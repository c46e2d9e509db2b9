//! `dafnck health`: whether the services are ready, for people and for health checks of containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use clap::builder::PossibleValuesParser;
use shared::config::SiblingOptions;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::services::NAMES;

const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Which services, and where they are.
#[derive(Args, Clone, Debug)]
pub struct HealthOptions {
    /// Only these. Default: all four
    #[arg(value_name = "SERVICE", value_parser = PossibleValuesParser::new(NAMES))]
    pub services: Vec<String>,
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
    let is_wanted =
        |name: &str| options.services.is_empty() || options.services.iter().any(|wanted| wanted == name);
    let mut ready = true;
    for (name, url) in NAMES.into_iter().zip(urls(&options.siblings)).filter(|(name, _)| is_wanted(name)) {
        match ask(url, options.tls_ca.as_deref()).await {
            Ok(ServingStatus::Serving) => println!("{name:<10}{url:<26}ready"),
            Ok(status) => {
                ready = false;
                println!("{name:<10}{url:<26}{}", status.as_str_name());
            }
            Err(error) => {
                ready = false;
                println!("{name:<10}{url:<26}{error:#}");
            }
        }
    }
    ensure!(ready, "not all of them are ready");
    Ok(())
}

/// Whether all four are ready.
pub async fn all_ready(services: &SiblingOptions) -> bool {
    let answers = futures::future::join_all(urls(services).map(|url| ask(url, None))).await;
    answers.into_iter().all(|answer| answer.is_ok_and(|status| status == ServingStatus::Serving))
}

pub(crate) fn urls(services: &SiblingOptions) -> [&str; 4] {
    let SiblingOptions { identity_url, project_url, task_url, content_url } = services;
    [identity_url, project_url, task_url, content_url]
}

/// Whether the service at this URL is ready.
pub(crate) async fn is_ready(url: &str, tls_ca: Option<&Path>) -> anyhow::Result<bool> {
    Ok(ask(url, tls_ca).await? == ServingStatus::Serving)
}

async fn ask(url: &str, tls_ca: Option<&Path>) -> anyhow::Result<ServingStatus> {
    let mut endpoint =
        Endpoint::from_shared(url.to_owned())?.connect_timeout(ANSWER_LIMIT).timeout(ANSWER_LIMIT);
    if url.starts_with("https://") {
        let tls = match tls_ca {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(path)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls)?;
    }
    let mut health = HealthClient::new(endpoint.connect().await?);
    Ok(health.check(HealthCheckRequest::default()).await?.into_inner().status())
}
