//! Counts PostgreSQL round trips per call on the connection, so that the result does not depend on the machine's load.
//!
//! Each call has a trace id, which each transaction and each gathered read for it names. Background work names none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tonic::metadata::MetadataMap;
use uuid::Uuid;

/// How a transaction names its trace id.
const TRACE_PREFIX: &str = "app.trace_id = '";

tokio::task_local! {
    /// Trace id of the calls that are counted.
    static TRACE: String;
}

/// Adds the trace id of the counted calls to a call's metadata, if calls are counted.
pub(super) fn add_trace(metadata: &mut MetadataMap) {
    let parent = TRACE.try_with(|trace| format!("00-{trace}-b7ad6b7169203331-01"));
    if let Ok(parent) = parent {
        metadata.insert("traceparent", parent.parse().unwrap());
    }
}

/// Number of round trips of all services, per trace id.
#[derive(Clone, Default)]
pub struct RoundTrips(Arc<Mutex<HashMap<String, u64>>>);

impl RoundTrips {
    /// Number of calls of which the fewest round trips count: the first calls prepare statements.
    pub const CALLS: usize = 4;

    /// Makes a call and returns its number of round trips, at least one.
    pub async fn during<T>(&self, call: impl Future<Output = T>) -> (T, u64) {
        let trace = Uuid::now_v7().simple().to_string();
        self.0.lock().unwrap().insert(trace.clone(), 0);
        let answer = TRACE.scope(trace.clone(), call).await;
        let counted = self.0.lock().unwrap()[&trace];
        assert!(counted > 0, "the database was asked for the call, in its trace");
        (answer, counted)
    }

    /// The fewest round trips of several calls.
    pub async fn of(&self, mut call: impl AsyncFnMut()) -> u64 {
        let mut fewest = u64::MAX;
        for _ in 0..Self::CALLS {
            fewest = fewest.min(self.during(call()).await.1);
        }
        fewest
    }

    /// The call that a statement names among its parameters.
    fn named_in(&self, statement: &str) -> Option<String> {
        let counted = self.0.lock().unwrap();
        counted.keys().find(|trace| !trace.is_empty() && statement.contains(trace.as_str())).cloned()
    }

    pub(super) fn listen(&self) -> Conversation {
        Conversation { counted: self.clone(), trace: String::new(), is_awaited: false }
    }
}

/// The messages of one connection.
pub(super) struct Conversation {
    counted: RoundTrips,
    /// Trace id of the last transaction or gathered read; empty for background work.
    trace: String,
    is_awaited: bool,
}

impl Conversation {
    pub(super) fn record_request(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if let Some((_, transaction)) = text.rsplit_once("BEGIN") {
            let trace = transaction.split_once(TRACE_PREFIX).and_then(|(_, rest)| rest.split_once('\''));
            self.trace = trace.map_or_else(String::new, |(trace, _)| trace.to_owned());
        } else if let Some(trace) = self.counted.named_in(&text) {
            self.trace = trace;
        }
        self.is_awaited |= !is_unawaited_end(bytes);
    }

    /// All requests before the first response are one round trip.
    pub(super) fn record_response(&mut self) {
        if std::mem::take(&mut self.is_awaited) {
            *self.counted.0.lock().unwrap().entry(self.trace.clone()).or_default() += 1;
        }
    }
}

/// Services do not wait for the response to the end of a transaction that only read or failed.
fn is_unawaited_end(message: &[u8]) -> bool {
    let is = |statement: &str| message.get(5..).is_some_and(|text| text.starts_with(statement.as_bytes()));
    message.starts_with(b"Q") && (is("COMMIT") || is("ROLLBACK"))
}
