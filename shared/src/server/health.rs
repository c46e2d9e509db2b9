//! grpc.health.v1, true to what the service depends on.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How often readiness is asked for.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the answer may take; no answer is a no.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers whether the service can do its work, that is, reach what it cannot do without.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// A name under which every server is serving as long as it answers at all, whatever it depends on: what an
/// orchestrator asks before it kills a process.
pub const ALIVE: &str = "alive";

/// What is reported: the whole server under the empty name, and each of its services.
#[derive(Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
    names: Vec<String>,
}

impl Health {
    pub(super) fn new(reporter: HealthReporter, services: &[String]) -> Self {
        let names = std::iter::once(String::new()).chain(services.iter().cloned()).collect();
        Self { reporter, names }
    }

    /// Reports that the server answers, once and for all.
    pub(super) async fn report_alive(&self) {
        self.reporter.set_service_status(ALIVE, ServingStatus::Serving).await;
    }

    /// Reports until it is dropped.
    pub(super) async fn follow(self, readiness: Readiness) {
        let mut interval = tokio::time::interval(CHECK_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut was_ready = None;
        loop {
            interval.tick().await;
            let is_ready = tokio::time::timeout(CHECK_TIMEOUT, readiness()).await.unwrap_or(false);
            if was_ready.replace(is_ready) != Some(is_ready) {
                tracing::info!(is_ready, "readiness changed");
                self.report(if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
            }
        }
    }

    pub(super) async fn report(&self, status: ServingStatus) {
        for name in &self.names {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
