//! Writes of single rows, gathered: while transactions of a queue are in flight, the writes that arrive in it wait and then
//! go together, in one transaction and one call of a function that sets each caller in turn. So a write that comes alone
//! goes at once, and under load many share a transaction, its flush to the disk and the work of the server for a statement.
//!
//! The policies of row-level security hold for every single write, and the change log names its caller and its trace. A
//! write that the function leaves out or that its caller may not make is made alone by whoever asked for it, who then
//! learns why. If the function fails, nothing of the call stays, and each write is made alone. One that is given up before
//! it is sent, is not sent.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use serde_json::Value;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Database;
use super::gathered_query::{CallOutcome, GatheredColumns, GatheredItems, GatheredQuery, GatheredWrite};
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::telemetry;

/// Calls of one queue that are in flight at the same time: one runs while the other waits for the disk.
const MAX_CALLS_IN_FLIGHT: usize = 2;
/// Writes that wait in one queue. More are made alone.
const MAX_WAITING_WRITES: usize = 1024;

/// Calls the function with several writes.
type CallFunction<R> = dyn Fn(Vec<GatheredWrite>) -> BoxFuture<'static, CallOutcome<R>> + Send + Sync;

struct WaitingWrite<R> {
    write: GatheredWrite,
    /// The context of the call that writes: the first of a transaction gives its trace and its place in the pool.
    context: Context,
    answer: oneshot::Sender<Result<Option<R>>>,
}

/// Writes that wait for the same calls.
struct Queue<R> {
    waiting: Vec<WaitingWrite<R>>,
    calls_in_flight: usize,
}

struct Queues<R> {
    queues: Mutex<HashMap<Uuid, Queue<R>>>,
    call: Box<CallFunction<R>>,
    max_writes_per_call: usize,
}

/// The writes of one function, each of which leaves one row `R`.
pub struct GatheredWrites<R>(Arc<Queues<R>>);

impl<R> Clone for GatheredWrites<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Send + 'static> GatheredWrites<R> {
    /// Writes by this function of the service's schema, which takes callers and trace ids as arrays and the writes as a JSON
    /// array, and returns `slot`, from 1, and the columns of `Columns` for each write that it makes. Before the commit,
    /// `is_permitted` tells from its row whether a user may make a write.
    pub fn new<Columns: GatheredColumns<R>>(
        database: &Database,
        function: &'static str,
        max_writes_per_call: usize,
        is_permitted: impl Fn(Uuid, &R) -> bool + Clone + Send + Sync + 'static,
    ) -> Self {
        let database = database.clone();
        let call = move |writes: Vec<GatheredWrite>| {
            let (database, is_permitted) = (database.clone(), is_permitted.clone());
            let callers: Vec<Uuid> = writes.iter().map(|write| write.user_id).collect();
            async move {
                let query = GatheredQuery::<Columns>::new(function, GatheredItems::Writes(writes));
                let is_permitted =
                    |index, row: &R| callers.get(index).is_some_and(|caller| is_permitted(*caller, row));
                database.write_gathered(callers.as_slice(), query, is_permitted).await
            }
            .boxed()
        };
        Self::calling(Box::new(call), max_writes_per_call)
    }

    fn calling(call: Box<CallFunction<R>>, max_writes_per_call: usize) -> Self {
        Self(Arc::new(Queues { queues: Mutex::default(), call, max_writes_per_call }))
    }

    /// Makes a write together with others of the same queue, as that of a project, and returns its row. `None` if nothing is
    /// written: then make the write alone.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the database does not answer or does not confirm.
    pub async fn write(&self, caller: &Caller, queue_id: Uuid, input: Value) -> Result<Option<R>> {
        let (answer, answered) = oneshot::channel();
        let context = Context::current();
        let trace_id = telemetry::trace_id_of(&context);
        let write = GatheredWrite { user_id: caller.database_user(), trace_id, input };
        if !self.enqueue(queue_id, WaitingWrite { write, context, answer }) {
            return Ok(None);
        }
        answered.await.map_err(Error::internal)?
    }

    /// Whether there was room.
    fn enqueue(&self, queue_id: Uuid, write: WaitingWrite<R>) -> bool {
        let mut queues = self.0.queues();
        let new_queue = || Queue { waiting: Vec::new(), calls_in_flight: 0 };
        let queue = queues.entry(queue_id).or_insert_with(new_queue);
        if queue.waiting.len() >= MAX_WAITING_WRITES {
            return false;
        }
        queue.waiting.push(write);
        if queue.calls_in_flight < MAX_CALLS_IN_FLIGHT {
            queue.calls_in_flight += 1;
            tokio::spawn(send_calls(self.0.clone(), queue_id));
        }
        true
    }
}

/// Sends what waits in a queue, one call after the other, until nothing waits.
async fn send_calls<R: Send + 'static>(queues: Arc<Queues<R>>, queue_id: Uuid) {
    while let Some(writes) = queues.take_waiting(queue_id) {
        // A panic is a defect of one call: its writers learn that there is no answer, and the next call is sent.
        if AssertUnwindSafe(queues.answer_writes(writes)).catch_unwind().await.is_err() {
            tracing::error!("a gathered write panicked");
        }
    }
}

impl<R: Send> Queues<R> {
    fn queues(&self) -> MutexGuard<'_, HashMap<Uuid, Queue<R>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writes of the next call; `None` ends the calls of one sender.
    fn take_waiting(&self, queue_id: Uuid) -> Option<Vec<WaitingWrite<R>>> {
        let mut queues = self.queues();
        let queue = queues.get_mut(&queue_id)?;
        queue.waiting.retain(|write| !write.answer.is_closed());
        if queue.waiting.is_empty() {
            queue.calls_in_flight -= 1;
            if queue.calls_in_flight == 0 {
                queues.remove(&queue_id);
            }
            return None;
        }
        let count = queue.waiting.len().min(self.max_writes_per_call);
        Some(queue.waiting.drain(..count).collect())
    }

    async fn answer_writes(&self, mut writes: Vec<WaitingWrite<R>>) {
        while let Some(first) = writes.first() {
            let sent = writes.iter().map(|write| write.write.clone()).collect();
            match (self.call)(sent).with_context(first.context.clone()).await {
                CallOutcome::Committed(rows) => return answer_rows(writes, rows),
                CallOutcome::Refused(indexes) => writes = without_refused(writes, &indexes),
                CallOutcome::RolledBack(error) => {
                    tracing::debug!(%error, writes = writes.len(), "gathered writes failed; each is made alone");
                    return answer_rows(writes, Vec::new());
                }
                CallOutcome::Unavailable(source) => {
                    for write in writes {
                        let unavailable = Error::unavailable("postgresql", source.clone());
                        let _given_up = write.answer.send(Err(unavailable));
                    }
                    return;
                }
            }
        }
    }
}

/// Sends the refused writes back to be made alone, and keeps the others.
fn without_refused<R>(writes: Vec<WaitingWrite<R>>, refused: &[usize]) -> Vec<WaitingWrite<R>> {
    let mut others = Vec::with_capacity(writes.len());
    for (index, write) in writes.into_iter().enumerate() {
        if refused.contains(&index) {
            let _given_up = write.answer.send(Ok(None));
        } else {
            others.push(write);
        }
    }
    others
}

fn answer_rows<R>(writes: Vec<WaitingWrite<R>>, rows: Vec<(usize, R)>) {
    let mut rows: HashMap<usize, R> = rows.into_iter().collect();
    for (index, write) in writes.into_iter().enumerate() {
        // Nobody waits for it if the call was given up meanwhile.
        let _given_up = write.answer.send(Ok(rows.remove(&index)));
    }
}

#[cfg(test)]
mod tests;
