//! The same windows in this process, while Redis is away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;

use super::Count;
use super::window::{Verdict, milliseconds};

/// Windows counted in this process at most.
const CAPACITY: u64 = 100_000;
/// How long a window is kept that nobody touches: as long as the longest.
const LIFE: Duration = Duration::from_secs(60 * 60);

#[derive(Default)]
struct Window {
    /// Times in milliseconds, oldest first.
    attempts: VecDeque<(i64, Uuid)>,
    locked_until: i64,
}

impl Window {
    /// As the script in Redis does it.
    fn add(&mut self, count: &Count, now: i64) -> Verdict {
        let (window, lockout) = (milliseconds(count.budget.window), milliseconds(count.budget.lockout));
        if self.locked_until > now {
            return Verdict::of(self.locked_until - now, false);
        }
        while self.attempts.front().is_some_and(|(time, _)| *time <= now - window) {
            self.attempts.pop_front();
        }
        match self.attempts.front() {
            Some((oldest, _)) if self.attempts.len() >= count.budget.max as usize => {
                let wait = (oldest + window - now).max(1);
                if lockout == 0 {
                    return Verdict::of(wait, false);
                }
                self.locked_until = now + lockout;
                self.attempts.clear();
                Verdict::of(lockout, true)
            }
            _ => {
                self.attempts.push_back((now, count.id));
                Verdict::Admitted
            }
        }
    }
}

#[derive(Clone)]
pub(super) struct Here(Cache<String, Arc<Mutex<Window>>>);

impl Here {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(CAPACITY).time_to_idle(LIFE).build())
    }

    pub(super) async fn add(&self, count: &Count, now: i64) -> Verdict {
        let window = self.0.get_with_by_ref(&count.name, async { Arc::default() }).await;
        window.lock().unwrap_or_else(PoisonError::into_inner).add(count, now)
    }

    pub(super) async fn take_back(&self, count: &Count) {
        if let Some(window) = self.0.get(&count.name).await {
            let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
            window.attempts.retain(|(_, id)| *id != count.id);
        }
    }

    pub(super) async fn forget(&self, count: &Count) {
        self.0.invalidate(&count.name).await;
    }
}
