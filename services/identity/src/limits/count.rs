//! What is counted, and the decision on an attempt.

use std::time::Duration;

use uuid::Uuid;

use super::purpose::Budget;

/// An attempt as it is counted under one name.
pub(super) struct Count {
    pub(super) name: String,
    pub(super) budget: &'static Budget,
    /// Distinguishes this attempt from others of its window.
    pub(super) id: Uuid,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Admitted,
    Refused { retry_after: Duration, starts_lockout: bool },
}

impl Decision {
    pub(super) fn new(wait_ms: i64, starts_lockout: bool) -> Self {
        match u64::try_from(wait_ms) {
            Ok(0) | Err(_) => Self::Admitted,
            Ok(wait) => Self::Refused { retry_after: Duration::from_millis(wait), starts_lockout },
        }
    }
}

pub(super) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
