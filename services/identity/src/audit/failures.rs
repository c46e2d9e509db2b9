//! Failures, collected in this process and written in the background.
//!
//! The call that fails does not wait, so its response time tells nothing. A flood of failures does not fill the disk:
//! repetitions at the same account, or from the same address at no account, within [`REPEAT_INTERVAL`] are one row with a
//! count, and all rows together are at most [`MAX_ROWS_PER_MINUTE`]. Failures are written within [`WRITE_INTERVAL`], and
//! when the service stops; a process that is killed loses those of the last [`WRITE_INTERVAL`].

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use shared::caller::network_of;
use shared::database::Database;
use shared::error::Result;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Event, Kind, queries};
use crate::sessions::Device;

const WRITE_INTERVAL: Duration = Duration::from_millis(500);
/// How long repetitions of a written failure are only counted.
const REPEAT_INTERVAL: Duration = Duration::from_secs(60);
/// Per process; further failures wait and are counted together.
const MAX_ROWS_PER_MINUTE: usize = 200;
/// Failures that are counted separately at a time.
const MAX_KEYS: usize = 10_000;
/// Addresses in one row.
const MAX_ADDRESSES: usize = 8;

/// Failures with the same key are counted together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    subject: Subject,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Subject {
    Account(Uuid),
    Address(IpAddr),
    /// Everything above [`MAX_KEYS`], and what has no address.
    Other,
}

struct PendingFailures {
    event: Event,
    count: u64,
    first_at: DateTime<Utc>,
    addresses: BTreeSet<IpAddr>,
    written_at: Option<Instant>,
}

#[derive(Default)]
struct Failures {
    pending: HashMap<Key, PendingFailures>,
    minute: Option<Instant>,
    rows_in_minute: usize,
}

/// Records failures; cheap to clone.
#[derive(Clone, Default)]
pub struct Audit(Arc<Mutex<Failures>>);

impl Audit {
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a failure at an account, if one is known. Does not wait.
    pub fn record_failure(&self, kind: Kind, user_id: Option<Uuid>, device: &Device) {
        let network = device.address.map(network_of);
        let subject =
            user_id.map(Subject::Account).or(network.map(Subject::Address)).unwrap_or(Subject::Other);
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = failures.pending.len() >= MAX_KEYS;
        let mut key = Key { kind, subject };
        if is_full && !failures.pending.contains_key(&key) {
            key.subject = Subject::Other;
        }
        let is_separate = key.subject != Subject::Other;
        let new = || PendingFailures {
            event: Event::new(kind, user_id.filter(|_| is_separate)).from(device),
            count: 0,
            first_at: Utc::now(),
            addresses: BTreeSet::new(),
            written_at: None,
        };
        let pending = failures.pending.entry(key).or_insert_with(new);
        if pending.count == 0 {
            pending.event = Event::new(kind, user_id.filter(|_| is_separate)).from(device);
            pending.first_at = Utc::now();
        }
        pending.count += 1;
        if let Some(address) = device.address.filter(|_| pending.addresses.len() < MAX_ADDRESSES) {
            pending.addresses.insert(address);
        }
    }

    /// Writes failures until the service stops, and a last time then.
    pub async fn write_until(self, worker: Database, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(WRITE_INTERVAL);
        loop {
            let is_last = tokio::select! {
                () = shutdown.cancelled() => true,
                _ = interval.tick() => false,
            };
            let events = self.take(is_last);
            if let Err(error) = write(&worker, &events).await {
                tracing::warn!(%error, events = events.len(), "failures could not be recorded; trying again");
                self.put_back(events);
            }
            if is_last {
                return;
            }
        }
    }

    /// The events to write now.
    fn take(&self, everything: bool) -> Vec<(Key, Event)> {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if failures.minute.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(60)) {
            failures.minute = Some(now);
            failures.rows_in_minute = 0;
        }
        let is_recent = |pending: &PendingFailures| {
            pending.written_at.is_some_and(|time| now.duration_since(time) < REPEAT_INTERVAL)
        };
        failures.pending.retain(|_, pending| pending.count > 0 || is_recent(pending));
        let left =
            if everything { MAX_KEYS } else { MAX_ROWS_PER_MINUTE.saturating_sub(failures.rows_in_minute) };
        let due = failures
            .pending
            .iter_mut()
            .filter(|(_, pending)| pending.count > 0 && (everything || !is_recent(pending)))
            .take(left)
            .map(|(key, pending)| (key.clone(), pending.take(now)));
        let events: Vec<_> = due.collect();
        failures.rows_in_minute += events.len();
        events
    }

    fn put_back(&self, events: Vec<(Key, Event)>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, event) in events {
            if let Some(pending) = failures.pending.get_mut(&key) {
                pending.count += event.count;
                pending.first_at = event.first_at.unwrap_or(pending.first_at);
                pending.event = event;
                pending.written_at = None;
            }
        }
        failures.rows_in_minute = 0;
    }
}

impl PendingFailures {
    fn take(&mut self, now: Instant) -> Event {
        let mut event = self.event.clone();
        event.count = std::mem::take(&mut self.count);
        event.first_at = (event.count > 1).then_some(self.first_at);
        let addresses = std::mem::take(&mut self.addresses);
        if addresses.len() > 1 {
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            event = event.with("addresses", list.join(","));
        }
        self.written_at = Some(now);
        event
    }
}

async fn write(worker: &Database, events: &[(Key, Event)]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let tx = worker.begin_background().await?;
    let events: Vec<_> = events.iter().map(|(_, event)| event).collect();
    queries::append_all(&tx, &events).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(last: u8) -> Device {
        Device { address: Some(IpAddr::from([192, 0, 2, last])), user_agent: None }
    }

    #[test]
    fn failures_at_one_account_are_one_row_with_a_count_and_some_addresses() {
        let audit = Audit::new();
        let olga = Uuid::now_v7();
        for last in 0..=255 {
            audit.record_failure(Kind::LoginFailure, Some(olga), &device(last));
        }
        let rows = audit.take(false);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].1.count, 256);
        assert_eq!(rows[0].1.details["addresses"].split(',').count(), MAX_ADDRESSES);
        audit.record_failure(Kind::LoginFailure, Some(olga), &device(1));
        assert!(audit.take(false).is_empty(), "within a minute it is only counted");
        assert_eq!(audit.take(true).len(), 1, "and written when the service stops");
    }

    #[test]
    fn all_failures_together_are_limited_in_memory_and_in_rows() {
        let audit = Audit::new();
        for _ in 0..2 * MAX_KEYS {
            audit.record_failure(Kind::LoginFailure, Some(Uuid::now_v7()), &device(1));
        }
        let kept = audit.0.lock().unwrap().pending.len();
        assert!(kept <= MAX_KEYS + 1, "{kept}");
        let rows = audit.take(false);
        assert_eq!(rows.len(), MAX_ROWS_PER_MINUTE);
        assert_eq!(audit.take(false).len(), 0);
        let pending: u64 = audit.0.lock().unwrap().pending.values().map(|pending| pending.count).sum();
        let written: u64 = rows.iter().map(|(_, row)| row.count).sum();
        assert_eq!(written + pending, 2 * MAX_KEYS as u64, "none is lost");
    }

    #[test]
    fn failures_that_could_not_be_written_are_written_later() {
        let audit = Audit::new();
        audit.record_failure(Kind::LoginFailure, None, &device(1));
        let rows = audit.take(false);
        audit.record_failure(Kind::LoginFailure, None, &device(1));
        audit.put_back(rows);
        let rows = audit.take(false);
        assert_eq!((rows.len(), rows[0].1.count), (1, 2));
    }
}
