//! `dafnck health`: whether the services are ready, for people and for health checks of containers.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use clap::builder::PossibleValuesParser;
use shared::config::SiblingOptions;
use tonic::transport::Endpoint;
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
        match ask(url).await {
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
    let answers = futures::future::join_all(urls(services).map(ask)).await;
    answers.into_iter().all(|answer| answer.is_ok_and(|status| status == ServingStatus::Serving))
}

fn urls(services: &SiblingOptions) -> [&str; 4] {
    let SiblingOptions { identity_url, project_url, task_url, content_url } = services;
    [identity_url, project_url, task_url, content_url]
}

async fn ask(url: &str) -> anyhow::Result<ServingStatus> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.connect_timeout(ANSWER_LIMIT).timeout(ANSWER_LIMIT);
    let mut health = HealthClient::new(endpoint.connect().await?);
    Ok(health.check(HealthCheckRequest::default()).await?.into_inner().status())
}
