//! Waiting for what others do.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const POLL: Duration = Duration::from_millis(20);

/// Waits until something holds.
pub async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    until_ok(what, limit, async || holds().await.then_some(()).ok_or("it does not hold")).await;
}

/// Waits until something comes about; who waits in vain tells what came instead.
pub async fn until_ok<T, E: Debug>(
    what: &str,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(outcome) => return outcome,
            Err(instead) => assert!(start.elapsed() < limit, "not within {limit:?}: {what}; {instead:?}"),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// SIGTERM, to a process that still runs.
pub fn terminate(process: u32) {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw).unwrap();
    kill_process(id, Signal::TERM).unwrap();
}
