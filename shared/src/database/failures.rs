//! Says in the log why no connection can be made. Who waits for one only learns that there was none in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bb8::ErrorSink;
use diesel::ConnectionError;

/// The same reason is not said again sooner: a pool tries several times a second.
const QUIET: Duration = Duration::from_secs(10);

/// The failures of one pool.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    role: String,
    said: Arc<Mutex<Option<(String, Instant)>>>,
}

impl Failures {
    /// Of the pool that signs in under this role.
    pub(super) fn of(role: &str) -> Box<Self> {
        Box::new(Self { role: role.to_owned(), said: Arc::default() })
    }

    /// Whether that is to be said now.
    fn is_news(&self, reason: &str, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = said.as_ref().is_some_and(|(last, at)| last == reason && now < *at + QUIET);
        if !is_known {
            *said = Some((reason.to_owned(), now));
        }
        !is_known
    }
}

impl ErrorSink<ConnectionError> for Failures {
    fn sink(&self, error: ConnectionError) {
        let reason = error.to_string();
        if self.is_news(&reason, Instant::now()) {
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
    fn a_reason_is_said_once_in_a_while_and_another_at_once() {
        let (failures, start) = (Failures::of("olga"), Instant::now());
        assert!(failures.is_news("expired", start));
        assert!(!failures.is_news("expired", start + Duration::from_secs(9)));
        assert!(failures.is_news("refused", start + Duration::from_secs(9)));
        assert!(failures.is_news("refused", start + Duration::from_secs(19)));
    }
}
