//! Whether Redis is asked for sessions: not for a moment after it failed, and not until revocations that it missed have
//! reached it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;

/// How long Redis is not asked after it failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// How long Redis is not trusted after it works again: until then, identity repeats the revocations that Redis missed.
const RECOVERY_DELAY: Duration = Duration::from_secs(3);

#[derive(Default)]
pub(super) struct RedisHealth(Mutex<State>);

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Healthy,
    Failed {
        retry_at: Instant,
    },
    Recovering {
        trusted_at: Instant,
    },
}

/// A question to Redis, and how Redis was when it began.
pub(super) struct Attempt(State);

impl RedisHealth {
    /// `None` if Redis is not to be asked.
    pub(super) fn begin(&self, now: Instant) -> Option<Attempt> {
        let state = *self.state();
        let is_due = match state {
            State::Healthy => true,
            State::Failed { retry_at: at } | State::Recovering { trusted_at: at } => at <= now,
        };
        is_due.then_some(Attempt(state))
    }

    /// What Redis has answered, if that can be trusted.
    pub(super) fn record<T>(
        &self,
        Attempt(before): Attempt,
        answer: Result<Option<T>>,
        now: Instant,
    ) -> Option<T> {
        match (answer, before) {
            (Ok(_), State::Failed { .. }) => {
                *self.state() = State::Recovering { trusted_at: now + RECOVERY_DELAY };
                None
            }
            (Ok(found), _) => found,
            (Err(error), _) => {
                tracing::warn!(%error, "Redis failed and is not asked for {RETRY_DELAY:?}; sessions come from identity");
                *self.state() = State::Failed { retry_at: now + RETRY_DELAY };
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn ask(health: &RedisHealth, now: Instant, answer: Result<Option<u8>>) -> Option<Option<u8>> {
        Some(health.record(health.begin(now)?, answer, now))
    }

    #[test]
    fn redis_is_trusted_again_only_some_time_after_it_works() {
        let (health, failed_at) = (RedisHealth::default(), Instant::now());
        assert_eq!(ask(&health, failed_at, Ok(Some(1))), Some(Some(1)));
        assert_eq!(ask(&health, failed_at, Err(Error::internal("gone"))), Some(None));
        assert_eq!(ask(&health, failed_at, Ok(Some(2))), None);
        let works_at = failed_at + RETRY_DELAY;
        assert_eq!(ask(&health, works_at, Ok(Some(3))), Some(None), "what it has may be revoked");
        assert_eq!(ask(&health, works_at, Ok(Some(4))), None);
        assert_eq!(ask(&health, works_at + RECOVERY_DELAY, Ok(Some(5))), Some(Some(5)));
    }
}
