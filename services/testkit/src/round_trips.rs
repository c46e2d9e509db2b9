//! How often a call waits for PostgreSQL, counted on the link and not told by time: a busy machine changes nothing.
//!
//! Each call has a trace, and every transaction that is begun for it says so; what works in the background says nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tonic::metadata::MetadataMap;
use uuid::Uuid;

/// What transactions say of the trace that they belong to.
const OF_TRACE: &str = "app.trace_id = '";

tokio::task_local! {
    /// The trace of the calls that are counted.
    static TRACE: String;
}

/// Puts the call into the trace that is counted, if one is.
pub(super) fn trace(metadata: &mut MetadataMap) {
    let parent = TRACE.try_with(|trace| format!("00-{trace}-b7ad6b7169203331-01"));
    if let Ok(parent) = parent {
        metadata.insert("traceparent", parent.parse().unwrap());
    }
}

/// How many round trips were made for each trace, by all services together.
#[derive(Clone, Default)]
pub struct RoundTrips(Arc<Mutex<HashMap<String, u64>>>);

impl RoundTrips {
    /// Calls until the fewest round trips are believed: the first ones prepare statements.
    pub const CALLS: usize = 4;

    /// Calls, and tells how many round trips were made for it, at least one.
    pub async fn during<T>(&self, call: impl Future<Output = T>) -> (T, u64) {
        let trace = Uuid::now_v7().simple().to_string();
        let answer = TRACE.scope(trace.clone(), call).await;
        let counted = self.0.lock().unwrap().get(&trace).copied();
        (answer, counted.expect("the database was asked for the call, in its trace"))
    }

    /// The fewest round trips of several calls.
    pub async fn of(&self, mut call: impl AsyncFnMut()) -> u64 {
        let mut fewest = u64::MAX;
        for _ in 0..Self::CALLS {
            fewest = fewest.min(self.during(call()).await.1);
        }
        fewest
    }

    pub(super) fn listen(&self) -> Conversation {
        Conversation { counted: self.clone(), trace: String::new(), is_awaited: false }
    }
}

/// What is said on one connection.
pub(super) struct Conversation {
    counted: RoundTrips,
    /// Of the transaction that was begun last; empty in the background.
    trace: String,
    is_awaited: bool,
}

impl Conversation {
    pub(super) fn asks(&mut self, bytes: &[u8]) {
        let said = String::from_utf8_lossy(bytes);
        if let Some((_, transaction)) = said.rsplit_once("BEGIN") {
            let trace = transaction.split_once(OF_TRACE).and_then(|(_, rest)| rest.split_once('\''));
            self.trace = trace.map_or_else(String::new, |(trace, _)| trace.to_owned());
        }
        self.is_awaited |= !is_mere_end(bytes);
    }

    /// What is asked before the first answer comes is one round trip with it.
    pub(super) fn is_answered(&mut self) {
        if std::mem::take(&mut self.is_awaited) {
            *self.counted.0.lock().unwrap().entry(self.trace.clone()).or_default() += 1;
        }
    }
}

/// A transaction that has only read, or failed, is ended without waiting for the answer.
fn is_mere_end(message: &[u8]) -> bool {
    let is = |statement: &str| message.get(5..).is_some_and(|text| text.starts_with(statement.as_bytes()));
    message.starts_with(b"Q") && (is("COMMIT") || is("ROLLBACK"))
}
