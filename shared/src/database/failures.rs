//! Logs why no connection can be made. A caller that waits for one only learns that there was none in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bb8::ErrorSink;
use diesel::ConnectionError;

/// The same reason is logged once in this time: a pool retries several times a second.
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);

/// The failures of one pool.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    role: String,
    last_logged: Arc<Mutex<Option<(String, Instant)>>>,
}

impl Failures {
    /// Of the pool that signs in under this role.
    pub(super) fn of(role: &str) -> Box<Self> {
        Box::new(Self { role: role.to_owned(), last_logged: Arc::default() })
    }

    /// Whether the reason is to be logged now.
    fn should_log(&self, reason: &str, now: Instant) -> bool {
        let mut last_logged = self.last_logged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known =
            last_logged.as_ref().is_some_and(|(last, at)| last == reason && now < *at + REPEAT_INTERVAL);
        if !is_known {
            *last_logged = Some((reason.to_owned(), now));
        }
        !is_known
    }
}

impl ErrorSink<ConnectionError> for Failures {
    fn sink(&self, error: ConnectionError) {
        let reason = error.to_string();
        if self.should_log(&reason, Instant::now()) {
            tracing::warn!(role = self.role, reason, "cannot connect to PostgreSQL");
        }
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<ConnectionError>> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_logged_once_in_an_interval_and_another_one_at_once() {
        let (failures, start) = (Failures::of("olga"), Instant::now());
        assert!(failures.should_log("expired", start));
        assert!(!failures.should_log("expired", start + Duration::from_secs(9)));
        assert!(failures.should_log("refused", start + Duration::from_secs(9)));
        assert!(failures.should_log("refused", start + Duration::from_secs(19)));
    }
}
