//! When sessions were last used: collected in this process and reported in intervals, so that no call waits for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// How often a process reports the uses.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(30);
/// Sessions in one report.
pub const REPORT_BATCH: usize = 1_000;
/// Sessions remembered between two reports; of more, some are reported later.
const CAPACITY: usize = 100_000;

/// A session that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionUse {
    /// The id of the session.
    pub session_id: Uuid,
    /// When it was last used.
    pub at: DateTime<Utc>,
}

#[derive(Default)]
pub(super) struct SeenSessions(Mutex<HashMap<Uuid, DateTime<Utc>>>);

impl SeenSessions {
    pub(super) fn note(&self, session_id: Uuid, at: DateTime<Utc>) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() < CAPACITY || latest.contains_key(&session_id) {
            latest.insert(session_id, at);
        }
    }

    /// The uses since the last call.
    pub(super) fn take(&self) -> Vec<SessionUse> {
        let latest = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        latest.into_iter().map(|(session_id, at)| SessionUse { session_id, at }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_reported_once_with_its_latest_time_and_not_again() {
        let seen = SeenSessions::default();
        let (id, at) = (Uuid::now_v7(), Utc::now());
        seen.note(id, at - Duration::from_secs(5));
        seen.note(id, at);
        assert_eq!(seen.take(), [SessionUse { session_id: id, at }]);
        assert_eq!(seen.take(), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let seen = SeenSessions::default();
        for number in 0..CAPACITY + 10 {
            seen.note(Uuid::from_u128(number as u128), Utc::now());
        }
        assert_eq!(seen.take().len(), CAPACITY);
    }
}
