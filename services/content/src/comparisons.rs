//! Comparing texts takes a core for up to a second: off the async threads, few at once, and not for longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::error::{Error, Result};
use tokio::sync::Semaphore;

/// How long one comparison may look for the shortest answer.
pub const COMPARE_TIME: Duration = Duration::from_secs(1);

/// Where texts are compared.
#[derive(Clone)]
pub struct Comparisons {
    permits: Arc<Semaphore>,
}

impl Comparisons {
    /// As many at once as there are cores.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { permits: Arc::new(Semaphore::new(cores)) }
    }

    /// Does the work when there is room for it. The work gets the time at which it must come to an end.
    ///
    /// # Errors
    /// `INTERNAL` when it panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Instant) -> T + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        let working = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, also when nobody waits for it any more.
            let _permit = permit;
            work(Instant::now() + COMPARE_TIME)
        });
        working.await.map_err(Error::internal)
    }
}

impl Default for Comparisons {
    fn default() -> Self {
        Self::new()
    }
}
