//! Failures, gathered in this process and written on the side.
//!
//! The call that fails does not wait for it, so its time tells nothing, and a flood of failures does not fill the
//! disk: what happens again to the same account, or from the same address at no account, within
//! [`QUIET`] is one row with a count, and all of them together are no more than [`MAX_ROWS_PER_MINUTE`] rows.
//! What is noted is written within [`INTERVAL`], and when the service stops; a process that is killed takes the
//! last [`INTERVAL`] with it.

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

/// How often failures are written.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long the same failure is only counted after it was written.
const QUIET: Duration = Duration::from_secs(60);
/// Rows of failures that one process writes in a minute; what is above waits and is counted together.
const MAX_ROWS_PER_MINUTE: usize = 200;
/// Kinds of failures at accounts and addresses that are told apart at a time.
const MAX_KEYS: usize = 10_000;
/// Addresses that one row names.
const MAX_ADDRESSES: usize = 8;

/// What is counted together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    subject: Subject,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Subject {
    Account(Uuid),
    Address(IpAddr),
    /// More than can be told apart.
    Rest,
}

struct Pending {
    event: Event,
    count: u64,
    first_at: DateTime<Utc>,
    addresses: BTreeSet<IpAddr>,
    written_at: Option<Instant>,
}

#[derive(Default)]
struct Notes {
    pending: HashMap<Key, Pending>,
    minute: Option<Instant>,
    rows_in_minute: usize,
}

/// Takes note of failures; cheap to clone.
#[derive(Clone, Default)]
pub struct Audit(Arc<Mutex<Notes>>);

impl Audit {
    /// Nothing noted yet; see [`Self::write_until`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a failure at an account, if one is known, from a device. Waits for nothing.
    pub fn note_failure(&self, kind: Kind, user_id: Option<Uuid>, device: &Device) {
        let network = device.address.map(network_of);
        let subject =
            user_id.map(Subject::Account).or(network.map(Subject::Address)).unwrap_or(Subject::Rest);
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = notes.pending.len() >= MAX_KEYS;
        let mut key = Key { kind, subject };
        if is_full && !notes.pending.contains_key(&key) {
            key.subject = Subject::Rest;
        }
        let of_one = key.subject != Subject::Rest;
        let new = || Pending {
            event: Event::new(kind, user_id.filter(|_| of_one)).from(device),
            count: 0,
            first_at: Utc::now(),
            addresses: BTreeSet::new(),
            written_at: None,
        };
        let pending = notes.pending.entry(key).or_insert_with(new);
        if pending.count == 0 {
            pending.event = Event::new(kind, user_id.filter(|_| of_one)).from(device);
            pending.first_at = Utc::now();
        }
        pending.count += 1;
        if let Some(address) = device.address.filter(|_| pending.addresses.len() < MAX_ADDRESSES) {
            pending.addresses.insert(address);
        }
    }

    /// Writes what is noted, again and again, and a last time when told to stop.
    pub async fn write_until(self, worker: Database, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
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

    /// What is to be written now.
    fn take(&self, everything: bool) -> Vec<(Key, Event)> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if notes.minute.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(60)) {
            notes.minute = Some(now);
            notes.rows_in_minute = 0;
        }
        let is_quiet =
            |pending: &Pending| pending.written_at.is_some_and(|time| now.duration_since(time) < QUIET);
        notes.pending.retain(|_, pending| pending.count > 0 || is_quiet(pending));
        let left =
            if everything { MAX_KEYS } else { MAX_ROWS_PER_MINUTE.saturating_sub(notes.rows_in_minute) };
        let due = notes
            .pending
            .iter_mut()
            .filter(|(_, pending)| pending.count > 0 && (everything || !is_quiet(pending)))
            .take(left)
            .map(|(key, pending)| (key.clone(), pending.take(now)));
        let events: Vec<_> = due.collect();
        notes.rows_in_minute += events.len();
        events
    }

    fn put_back(&self, events: Vec<(Key, Event)>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, event) in events {
            if let Some(pending) = notes.pending.get_mut(&key) {
                pending.count += event.count;
                pending.first_at = event.first_at.unwrap_or(pending.first_at);
                pending.event = event;
                pending.written_at = None;
            }
        }
        notes.rows_in_minute = 0;
    }
}

impl Pending {
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
    fn a_flood_at_one_account_is_one_row_with_its_count_and_some_addresses() {
        let audit = Audit::new();
        let olga = Uuid::now_v7();
        for last in 0..=255 {
            audit.note_failure(Kind::LoginFailure, Some(olga), &device(last));
        }
        let rows = audit.take(false);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].1.count, 256);
        assert_eq!(rows[0].1.details["addresses"].split(',').count(), MAX_ADDRESSES);
        audit.note_failure(Kind::LoginFailure, Some(olga), &device(1));
        assert!(audit.take(false).is_empty(), "within the quiet minute it is only counted");
        assert_eq!(audit.take(true).len(), 1, "and written when the service stops");
    }

    #[test]
    fn all_failures_together_are_bounded_in_memory_and_in_rows() {
        let audit = Audit::new();
        for _ in 0..2 * MAX_KEYS {
            audit.note_failure(Kind::LoginFailure, Some(Uuid::now_v7()), &device(1));
        }
        let kept = audit.0.lock().unwrap().pending.len();
        assert!(kept <= MAX_KEYS + 1, "{kept}");
        assert_eq!(audit.take(false).len(), MAX_ROWS_PER_MINUTE);
        assert_eq!(audit.take(false).len(), 0);
        let counted: u64 = audit.0.lock().unwrap().pending.values().map(|pending| pending.count).sum();
        assert_eq!(counted, (2 * MAX_KEYS - MAX_ROWS_PER_MINUTE) as u64, "none is lost");
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let audit = Audit::new();
        audit.note_failure(Kind::LoginFailure, None, &device(1));
        let rows = audit.take(false);
        audit.note_failure(Kind::LoginFailure, None, &device(1));
        audit.put_back(rows);
        let rows = audit.take(false);
        assert_eq!((rows.len(), rows[0].1.count), (1, 2));
    }
}
