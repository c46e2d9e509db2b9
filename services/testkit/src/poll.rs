//! Polling with a limit, instead of a fixed pause.

use std::fmt::Debug;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls until a condition holds. Fails after the limit.
pub async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    until_ok(what, limit, async || holds().await.then_some(()).ok_or("it does not hold")).await;
}

/// Polls until an attempt succeeds and returns its value. Fails after the limit, with the last error.
pub async fn until_ok<T, E: Debug>(
    what: &str,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(start.elapsed() < limit, "not within {limit:?}: {what}; {error:?}"),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
