//! The common part of exporting RPCs: all rows of one snapshot, streamed in messages of bounded size.
//!
//! A first query returns the keys of a table in order, with the size of each row; the rows themselves are read by their
//! keys, as many as fit into a message. The next ones are read when the caller has taken those before, so a slow caller
//! costs one message of memory and a connection. The transaction only reads: it has no transaction id and holds up no
//! feed. But it keeps old row versions from being vacuumed, and therefore ends with the stream, after an hour at most.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::Status;
use uuid::Uuid;

use crate::caller::Caller;
use crate::database::Transaction;
use crate::error::{Error, ErrorReason, Result};
use crate::service::ServiceContext;
use crate::telemetry;
use crate::validation::{MAX_BATCH, Violations};

/// Most rows in a message.
const MAX_ROWS: usize = 500;
/// Most bytes of rows in a message, unless one row alone has more.
const MAX_BYTES: i64 = 2 * 1024 * 1024;
/// Concurrent exports of one service: each holds one of the few connections of background work.
const MAX_EXPORTS: usize = 1;
/// After which time to retry while another export is running.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The exports of a service; cheap to clone.
#[derive(Clone)]
pub struct Exports {
    context: ServiceContext,
    permits: Arc<Semaphore>,
}

impl Exports {
    /// The exports of this service.
    pub fn new(context: &ServiceContext) -> Self {
        Self { context: context.clone(), permits: Arc::new(Semaphore::new(MAX_EXPORTS)) }
    }

    /// Streams what `work` sends from a snapshot. A stream that ends without an error is complete.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for others than operators, `RESOURCE_EXHAUSTED` while another export is running.
    pub fn stream<T, Work>(
        &self,
        caller: &Caller,
        work: impl FnOnce(Snapshot, ExportSender<T>) -> Work + Send + 'static,
    ) -> Result<BoxStream<'static, Result<T, Status>>>
    where
        T: Send + 'static,
        Work: Future<Output = Result<()>> + Send + 'static,
    {
        let operator = caller.operator()?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Error::Exhausted {
            reason: ErrorReason::Overloaded,
            message: "another export is running",
            retry_after: RETRY_AFTER,
        })?;
        tracing::info!(operator, service = self.context.name, "an export begins");
        let (sender, receiver) = mpsc::channel(1);
        let exporting = self.clone().run(permit, sender, work);
        self.context.spawn(telemetry::in_current_call(exporting));
        Ok(messages_until_end(receiver).boxed())
    }

    async fn run<T, Work>(
        self,
        permit: OwnedSemaphorePermit,
        sender: mpsc::Sender<ExportMessage<T>>,
        work: impl FnOnce(Snapshot, ExportSender<T>) -> Work,
    ) where
        Work: Future<Output = Result<()>>,
    {
        let exported = async {
            let snapshot = Snapshot { tx: self.context.worker.begin_snapshot().await? };
            work(snapshot, ExportSender { sender: sender.clone() }).await
        };
        let end = tokio::select! {
            outcome = exported => outcome.map(|()| None).map_err(Status::from),
            () = self.context.shutdown.cancelled() => return,
        };
        // Before the end is sent: whoever sees it may start the next export.
        drop(permit);
        let _receiver_is_gone = sender.send(end).await;
    }
}

/// A message, the end of the export (`None`), or an error.
type ExportMessage<T> = Result<Option<T>, Status>;

/// The messages up to the end of the export; an error if it breaks off before.
fn messages_until_end<T: Send>(
    receiver: mpsc::Receiver<ExportMessage<T>>,
) -> impl stream::Stream<Item = Result<T, Status>> {
    stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Ok(Some(message))) => Some((Ok(message), Some(receiver))),
            Some(Ok(None)) => None,
            Some(Err(status)) => Some((Err(status), None)),
            None => Some((Err(Error::unavailable("export", "it was broken off").into()), None)),
        }
    })
}

/// Sends messages to the caller.
pub struct ExportSender<T> {
    sender: mpsc::Sender<ExportMessage<T>>,
}

impl<T> ExportSender<T> {
    /// Sends a message when the caller has taken the one before the last.
    ///
    /// # Errors
    /// When the caller has gone.
    pub async fn send(&self, message: T) -> Result<()> {
        let sent = self.sender.send(Ok(Some(message))).await;
        sent.map_err(|_| Error::unavailable("caller", "the caller has gone"))
    }
}

/// A transaction that sees one snapshot of the database.
pub struct Snapshot {
    tx: Transaction,
}

impl std::ops::Deref for Snapshot {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.tx
    }
}

impl Snapshot {
    /// The rows that a query returns as `id` and `size` in bytes, in its order.
    pub async fn rows(&self, name: &'static str, query: &str) -> Result<Rows<'_>> {
        let declare = format!("DECLARE {name} NO SCROLL CURSOR FOR {query}");
        let mut conn: &AsyncPgConnection = self;
        sql_query(declare).execute(&mut conn).await?;
        Ok(Rows { conn: self, name, pending: VecDeque::new() })
    }
}

#[derive(Debug, QueryableByName)]
struct RowSize {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    size: i64,
}

/// The keys of the rows that are still to be exported.
pub struct Rows<'a> {
    conn: &'a AsyncPgConnection,
    name: &'static str,
    pending: VecDeque<RowSize>,
}

impl Rows<'_> {
    /// The keys of the next rows, as many as fit into a message; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Uuid>>> {
        if self.pending.is_empty() {
            let fetch = format!("FETCH {MAX_ROWS} FROM {}", self.name);
            let found: Vec<RowSize> = sql_query(fetch).load(&mut self.conn).await?;
            self.pending.extend(found);
        }
        let keys = take_fitting(&mut self.pending);
        Ok((!keys.is_empty()).then_some(keys))
    }
}

/// Takes the first rows, as many as fit; one at least.
fn take_fitting(pending: &mut VecDeque<RowSize>) -> Vec<Uuid> {
    let mut left = MAX_BYTES;
    let mut keys = Vec::new();
    while let Some(RowSize { id, size }) = pending.pop_front_if(|next| keys.is_empty() || next.size <= left) {
        left -= size;
        keys.push(id);
    }
    keys
}

/// Reads the ids of a filter, at most [`MAX_BATCH`]; `INVALID_ARGUMENT` with all violations.
pub fn parse_ids(field: &str, values: &[String]) -> Result<Vec<Uuid>> {
    let mut v = Violations::new();
    let ids = v.uuids(field, values, MAX_BATCH);
    v.finish()?;
    Ok(ids)
}

/// The SQL condition that a column holds one of these ids; true for all if there are none.
pub fn id_condition(column: &str, ids: &[Uuid]) -> String {
    if ids.is_empty() {
        return "TRUE".to_owned();
    }
    let ids = ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
    format!("{column} = ANY ('{{{ids}}}'::uuid[])")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    fn row(size: i64) -> RowSize {
        RowSize { id: Uuid::now_v7(), size }
    }

    #[test]
    fn a_message_is_full_before_it_is_too_large() {
        let mut rows: VecDeque<RowSize> = [MAX_BYTES / 2, MAX_BYTES / 2, 1, MAX_BYTES * 3, 0].map(row).into();
        let messages: Vec<usize> = std::iter::from_fn(|| match take_fitting(&mut rows).len() {
            0 => None,
            count => Some(count),
        })
        .collect();
        assert_eq!(messages, [2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn what_breaks_off_is_not_taken_for_complete() {
        let (sender, receiver) = mpsc::channel(2);
        sender.send(Ok(Some(1))).await.unwrap();
        drop(sender);
        let broken: Result<Vec<i32>, Status> = messages_until_end(receiver).try_collect().await;
        assert_eq!(broken.unwrap_err().code(), tonic::Code::Unavailable);

        let (sender, receiver) = mpsc::channel(2);
        sender.send(Ok(Some(1))).await.unwrap();
        sender.send(Ok(None)).await.unwrap();
        assert_eq!(messages_until_end(receiver).try_collect::<Vec<i32>>().await.unwrap(), [1]);
    }
}
