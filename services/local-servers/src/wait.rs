//! Waiting for a process or a lock without a signal of its own.

use std::time::{Duration, Instant};

use anyhow::Result;

pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls until something has ended; false when it has not within the limit.
///
/// # Errors
/// As `ended`.
pub async fn wait_for_end(mut ended: impl FnMut() -> Result<bool>, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    while !ended()? {
        if Instant::now() > deadline {
            return Ok(false);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(true)
}
