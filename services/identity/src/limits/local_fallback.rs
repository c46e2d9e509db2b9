//! The same windows in this process, for when Redis is down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;

use super::count::{Count, Decision, milliseconds};

/// Windows in memory at most.
const MAX_WINDOWS: u64 = 100_000;
/// How long a window is kept without attempts: as long as the longest window.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

#[derive(Default)]
struct Window {
    /// Times in milliseconds, oldest first.
    attempts: VecDeque<(i64, Uuid)>,
    locked_until: i64,
}

impl Window {
    /// The same steps as the script in Redis.
    fn add(&mut self, count: &Count, now: i64) -> Decision {
        let (window, lockout) = (milliseconds(count.budget.window), milliseconds(count.budget.lockout));
        if self.locked_until > now {
            return Decision::new(self.locked_until - now, false);
        }
        while self.attempts.front().is_some_and(|(time, _)| *time <= now - window) {
            self.attempts.pop_front();
        }
        match self.attempts.front() {
            Some((oldest, _)) if self.attempts.len() >= count.budget.max as usize => {
                let wait = (oldest + window - now).max(1);
                if lockout == 0 {
                    return Decision::new(wait, false);
                }
                self.locked_until = now + lockout;
                self.attempts.clear();
                Decision::new(lockout, true)
            }
            _ => {
                self.attempts.push_back((now, count.id));
                Decision::Admitted
            }
        }
    }
}

#[derive(Clone)]
pub(super) struct LocalWindows(Cache<String, Arc<Mutex<Window>>>);

impl LocalWindows {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_WINDOWS).time_to_idle(IDLE_TIMEOUT).build())
    }

    pub(super) async fn add(&self, count: &Count, now: i64) -> Decision {
        let window = self.0.get_with_by_ref(&count.name, async { Arc::default() }).await;
        window.lock().unwrap_or_else(PoisonError::into_inner).add(count, now)
    }

    pub(super) async fn refund(&self, count: &Count) {
        if let Some(window) = self.0.get(&count.name).await {
            let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
            window.attempts.retain(|(_, id)| *id != count.id);
        }
    }

    pub(super) async fn reset(&self, count: &Count) {
        self.0.invalidate(&count.name).await;
    }
}
