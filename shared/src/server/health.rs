//! grpc.health.v1: a service is SERVING only while its database is writable.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
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

/// What is reported: each service of the server, and the server itself under the empty name and those of `common`.
#[derive(Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
    readiness: Vec<Readiness>,
    /// The names that follow each of these, and last those that follow all of them.
    names: Vec<Vec<String>>,
}

impl Health {
    /// Of these services: their gRPC services by name, and their readiness.
    pub(super) fn new(
        reporter: HealthReporter,
        services: impl IntoIterator<Item = (Vec<String>, Readiness)>,
        common: Vec<String>,
    ) -> Self {
        let (mut names, readiness): (Vec<_>, Vec<_>) = services.into_iter().unzip();
        names.push(std::iter::once(String::new()).chain(common).collect());
        Self { reporter, readiness, names }
    }

    /// Reports that the server answers, once and for all.
    pub(super) async fn report_alive(&self) {
        self.reporter.set_service_status(ALIVE, ServingStatus::Serving).await;
    }

    /// Reports until it is dropped.
    pub(super) async fn follow(self) {
        let mut interval = tokio::time::interval(CHECK_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut was_ready = vec![None; self.names.len()];
        loop {
            interval.tick().await;
            let services = join_all(self.readiness.iter().map(is_ready)).await;
            let is_server_ready = services.iter().all(|is_ready| *is_ready);
            let now = services.into_iter().chain([is_server_ready]);
            for ((names, before), is_ready) in self.names.iter().zip(&mut was_ready).zip(now) {
                if before.replace(is_ready) != Some(is_ready) {
                    tracing::info!(is_ready, ?names, "readiness changed");
                    let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
                    self.report(names, status).await;
                }
            }
        }
    }

    /// Reports that nothing is served, before the first check and after the last one.
    pub(super) async fn report_not_serving(&self) {
        for names in &self.names {
            self.report(names, ServingStatus::NotServing).await;
        }
    }

    async fn report(&self, names: &[String], status: ServingStatus) {
        for name in names {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

async fn is_ready(readiness: &Readiness) -> bool {
    tokio::time::timeout(CHECK_TIMEOUT, readiness()).await.unwrap_or(false)
}
