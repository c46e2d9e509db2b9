//! Following the changes of all projects, as a sibling service does. The position is a cursor that the follower stores in
//! the transaction of its effects.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use prost::Message;
use tokio::time::Instant;

use super::Feed;
use super::state::FeedState;
use super::subject::{MAX_EVENTS, MESSAGE_BYTES};
use crate::change_log::records::{self, Record, RecordBatch, Scope};
use crate::change_log::{Cursor, Listener};
use crate::error::Result;

/// Longest time between two batches.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// A read for many changes under load.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(20);

/// The events of a service, for followers that may see all projects.
pub trait EventSource: Send + Sync + 'static {
    /// An event on the wire.
    type Event: Message;

    /// The tables whose changes are events.
    const ENTITIES: &'static [&'static str];

    /// One event or none for each change, in their order.
    fn to_events(&self, records: &[Record]) -> impl Future<Output = Result<Vec<Option<Self::Event>>>> + Send;
}

/// The next events of a service. Without events it is a heartbeat.
#[derive(Debug)]
pub struct ServiceBatch<E> {
    /// The events, in order.
    pub events: Vec<E>,
    /// The position after these events.
    pub cursor: Cursor,
    /// Whether all committed changes have been sent.
    pub is_caught_up: bool,
}

/// Where a follower begins.
#[derive(Clone, Copy, Debug)]
pub enum StartPosition {
    /// After this position.
    After(Cursor),
    /// With the oldest change that is kept.
    Oldest,
    /// With the next change.
    End,
}

struct Follower<S: EventSource> {
    feed: Arc<FeedState>,
    source: S,
    listener: Listener,
    cursor: Cursor,
    /// Read and not sent yet.
    pending: VecDeque<ServiceBatch<S::Event>>,
}

impl Feed {
    /// Follows the changes of all projects until the service stops.
    ///
    /// # Errors
    /// `OUT_OF_RANGE` for a position that has expired.
    pub async fn follow<S: EventSource>(
        &self,
        source: S,
        start: StartPosition,
    ) -> Result<impl Stream<Item = Result<ServiceBatch<S::Event>>> + Send + use<S>> {
        let tx = self.0.worker.begin_background().await?;
        let bounds = records::bounds(&tx, self.0.schema).await?;
        tx.finish();
        let cursor = match start {
            StartPosition::After(cursor) => cursor,
            StartPosition::Oldest => bounds.horizon,
            StartPosition::End => bounds.head,
        };
        bounds.check(cursor)?;
        let listener = self.0.signal.listen(MIN_READ_INTERVAL);
        let follower = Follower { feed: self.0.clone(), source, listener, cursor, pending: VecDeque::new() };
        Ok(stream::try_unfold(follower, async |mut follower: Follower<S>| {
            let shutdown = follower.feed.shutdown.clone();
            tokio::select! {
                () = shutdown.cancelled() => Ok(None),
                next = follower.next() => next.map(|batch| Some((batch, follower))),
            }
        }))
    }
}

impl<S: EventSource> Follower<S> {
    /// The next events, or none when a heartbeat is due.
    async fn next(&mut self) -> Result<ServiceBatch<S::Event>> {
        let heartbeat = Instant::now() + HEARTBEAT_INTERVAL;
        loop {
            if let Some(batch) = self.pending.pop_front() {
                return Ok(batch);
            }
            let is_caught_up = self.read().await?;
            if !self.pending.is_empty() {
                continue;
            }
            if Instant::now() >= heartbeat {
                return Ok(ServiceBatch { events: Vec::new(), cursor: self.cursor, is_caught_up });
            }
            if is_caught_up {
                let _woken_or_heartbeat_due = tokio::time::timeout_at(heartbeat, self.listener.wait()).await;
            }
        }
    }

    /// Reads the next changes; returns whether there are no more.
    async fn read(&mut self) -> Result<bool> {
        let tx = self.feed.worker.begin_background().await?;
        let scope = Scope::Entities(S::ENTITIES);
        let RecordBatch { records, upto, is_partial } =
            records::read_batch(&tx, self.feed.schema, scope, self.cursor).await?;
        tx.finish();
        let events = self.source.to_events(&records).await?;
        self.pending = split(&records, events, upto, !is_partial);
        self.cursor = upto;
        Ok(!is_partial)
    }
}

/// Batches of a bounded size; none without events.
fn split<E: Message>(
    records: &[Record],
    events: Vec<Option<E>>,
    upto: Cursor,
    is_caught_up: bool,
) -> VecDeque<ServiceBatch<E>> {
    let mut batches: VecDeque<ServiceBatch<E>> = VecDeque::new();
    let mut bytes = 0;
    for (record, event) in records.iter().zip(events) {
        let Some(event) = event else { continue };
        let size = event.encoded_len();
        match batches.back_mut() {
            Some(last) if last.events.len() < MAX_EVENTS && bytes + size <= MESSAGE_BYTES => {
                bytes += size;
                last.events.push(event);
                last.cursor = record.cursor;
            }
            _ => {
                bytes = size;
                let cursor = record.cursor;
                batches.push_back(ServiceBatch { events: vec![event], cursor, is_caught_up: false });
            }
        }
    }
    if let Some(last) = batches.back_mut() {
        (last.cursor, last.is_caught_up) = (upto, is_caught_up);
    }
    batches
}

impl StartPosition {
    /// Of a request: `at_end` counts only without a cursor.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a malformed cursor.
    pub fn parse(cursor: &str, at_end: bool) -> Result<Self> {
        match (cursor, at_end) {
            ("", true) => Ok(Self::End),
            ("", false) => Ok(Self::Oldest),
            (cursor, _) => cursor.parse().map(Self::After),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::change_log::Operation;

    fn record(position: i64) -> Record {
        Record {
            cursor: Cursor { incarnation: 1, transaction_id: 1, position },
            changed_at: DateTime::UNIX_EPOCH,
            entity: "tasks".to_owned(),
            entity_id: Uuid::nil(),
            project_id: None,
            operation: Operation::Insert,
            old_values: None,
            new_values: None,
            actor_id: None,
            trace_id: None,
        }
    }

    #[test]
    fn batches_are_bounded_and_the_last_one_reaches_the_end() {
        let count = MAX_EVENTS + 2;
        let records: Vec<Record> = (1..).take(count).map(record).collect();
        let upto = Cursor { incarnation: 1, transaction_id: 9, position: i64::MAX };
        let mut events = vec![Some(String::from("event")); count];
        events[0] = None;
        let batches = split(&records, events, upto, true);
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.events.len()).collect();
        assert_eq!(sizes, [MAX_EVENTS, 1]);
        assert_eq!(batches[0].cursor, records[MAX_EVENTS].cursor);
        assert!(!batches[0].is_caught_up);
        assert_eq!((batches[1].cursor, batches[1].is_caught_up), (upto, true));
        let large = vec![Some("x".repeat(MESSAGE_BYTES)); count];
        assert_eq!(split(&records, large, upto, true).len(), count);
        assert!(split::<String>(&records, vec![None; count], upto, true).is_empty());
    }

    #[test]
    fn a_cursor_goes_before_the_end() {
        assert!(matches!(StartPosition::parse("", false), Ok(StartPosition::Oldest)));
        assert!(matches!(StartPosition::parse("", true), Ok(StartPosition::End)));
        assert!(matches!(StartPosition::parse("1.2.3", true), Ok(StartPosition::After(_))));
        assert!(StartPosition::parse("1", false).is_err());
    }
}
