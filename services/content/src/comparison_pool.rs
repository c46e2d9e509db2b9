//! Runs text comparisons on blocking threads, with a limit on their number and time: one may take a core for a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::error::{Error, Result};
use tokio::sync::Semaphore;

/// How long one comparison may search for the smallest difference.
const COMPARISON_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct ComparisonPool {
    permits: Arc<Semaphore>,
}

impl ComparisonPool {
    /// With one permit for each core.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { permits: Arc::new(Semaphore::new(cores)) }
    }

    /// Runs `work` with its deadline when a permit is free.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Instant) -> T + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work ends, even if the caller has gone.
            let _permit = permit;
            work(Instant::now() + COMPARISON_TIMEOUT)
        });
        task.await.map_err(Error::internal)
    }
}
