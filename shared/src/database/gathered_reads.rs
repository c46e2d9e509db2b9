//! Reads of single rows, gathered: while calls to PostgreSQL are in flight, the reads that arrive wait and then go
//! together, in one call of a function that sets each caller in turn. So a read that comes alone goes at once, and under
//! load many share a round trip, a connection and the work of the server for a statement.
//!
//! The policies of row-level security hold for every single read: the function has the rights of the role that calls it,
//! and reads each row as its caller. A read that fails, fails alone. One that is given up before it is sent, is not sent.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use super::Database;
use super::gathered_query::{GatheredColumns, GatheredItems, GatheredQuery, GatheredRead};
use crate::caller::Caller;
use crate::error::{Error, ErrorReason, Result};
use crate::telemetry;

/// Calls of one function that are in flight at the same time.
const MAX_CALLS_IN_FLIGHT: usize = 2;
/// Reads that wait for one function.
const MAX_WAITING_READS: usize = 4096;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Calls the function with several reads. The answer has the index of the read with each row that was found.
type CallFunction<R> = dyn Fn(Vec<GatheredRead>) -> BoxFuture<'static, Result<Vec<(usize, R)>>> + Send + Sync;

struct WaitingRead<R> {
    read: GatheredRead,
    /// The context of the call that reads: what is logged about a statement names the trace of its first read.
    context: Context,
    answer: oneshot::Sender<Result<Option<R>>>,
}

/// The reads of one function, which finds at most one row `R` for each id.
pub struct GatheredReads<R> {
    waiting: mpsc::Sender<WaitingRead<R>>,
}

impl<R> Clone for GatheredReads<R> {
    fn clone(&self) -> Self {
        Self { waiting: self.waiting.clone() }
    }
}

impl<R: Send + 'static> GatheredReads<R> {
    /// Reads by this function of the service's schema, which takes callers, trace ids and ids of rows as arrays and returns
    /// `slot`, from 1, and the columns of `Columns`. At most `max_reads_per_call` rows are in one answer.
    pub fn new<Columns: GatheredColumns<R>>(
        database: &Database,
        function: &'static str,
        max_reads_per_call: usize,
    ) -> Self {
        let database = database.clone();
        let call = move |reads: Vec<GatheredRead>| {
            let database = database.clone();
            async move {
                let query = GatheredQuery::<Columns>::new(function, GatheredItems::Reads(reads));
                database.load_gathered(query).await
            }
            .boxed()
        };
        Self::calling(Arc::new(call), max_reads_per_call, MAX_WAITING_READS)
    }

    fn calling(call: Arc<CallFunction<R>>, max_reads_per_call: usize, max_waiting: usize) -> Self {
        let (waiting, queue) = mpsc::channel(max_waiting);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..MAX_CALLS_IN_FLIGHT {
            tokio::spawn(send_calls(queue.clone(), call.clone(), max_reads_per_call));
        }
        Self { waiting }
    }

    /// The row of this id, if the caller may see it.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many reads wait; otherwise those of the statement.
    pub async fn read(&self, caller: &Caller, id: Uuid) -> Result<Option<R>> {
        let (answer, answered) = oneshot::channel();
        let context = Context::current();
        let read =
            GatheredRead { user_id: caller.database_user(), id, trace_id: telemetry::trace_id_of(&context) };
        self.waiting.try_send(WaitingRead { read, context, answer }).map_err(|_| TOO_MANY_READS)?;
        answered.await.map_err(Error::internal)?
    }
}

const TOO_MANY_READS: Error = Error::Exhausted {
    reason: ErrorReason::Overloaded,
    message: "too many reads are waiting; try again later",
    retry_after: RETRY_AFTER,
};

/// Sends what waits, one call after the other, until nobody can read any more.
async fn send_calls<R: Send + 'static>(
    queue: Arc<Mutex<mpsc::Receiver<WaitingRead<R>>>>,
    call: Arc<CallFunction<R>>,
    max_reads_per_call: usize,
) {
    loop {
        let mut reads = Vec::new();
        if queue.lock().await.recv_many(&mut reads, max_reads_per_call).await == 0 {
            return;
        }
        // A panic is a defect of one call: its readers learn that there is no answer, and the next call is sent.
        if AssertUnwindSafe(answer_reads(&*call, reads)).catch_unwind().await.is_err() {
            tracing::error!("a gathered read panicked");
        }
    }
}

async fn answer_reads<R: Send>(call: &CallFunction<R>, mut reads: Vec<WaitingRead<R>>) {
    reads.retain(|read| !read.answer.is_closed());
    let Some(first) = reads.first() else { return };
    let sent = reads.iter().map(|read| read.read.clone()).collect();
    match call(sent).with_context(first.context.clone()).await {
        Ok(rows) => answer_rows(reads, rows),
        Err(error) => answer_failure(call, reads, error).await,
    }
}

fn answer_rows<R>(reads: Vec<WaitingRead<R>>, rows: Vec<(usize, R)>) {
    let mut found: Vec<Option<R>> = reads.iter().map(|_| None).collect();
    for (index, row) in rows {
        if let Some(slot) = found.get_mut(index) {
            *slot = Some(row);
        }
    }
    for (read, row) in reads.into_iter().zip(found) {
        // Nobody waits for it if the call was given up meanwhile.
        let _given_up = read.answer.send(Ok(row));
    }
}

/// A database that is away is so for all. Any other failure may be that of one read, so each goes alone.
async fn answer_failure<R: Send>(call: &CallFunction<R>, mut reads: Vec<WaitingRead<R>>, error: Error) {
    if reads.len() == 1 {
        if let Some(read) = reads.pop() {
            let _given_up = read.answer.send(Err(error));
        }
        return;
    }
    if let Error::Unavailable { dependency, source } = &error {
        for read in reads {
            let _given_up = read.answer.send(Err(Error::unavailable(dependency, source.to_string())));
        }
        return;
    }
    tracing::warn!(%error, reads = reads.len(), "gathered reads failed; each is sent alone");
    for WaitingRead { read, context, answer } in reads {
        if !answer.is_closed() {
            let found = call(vec![read]).with_context(context).await;
            let _given_up = answer.send(found.map(|rows| rows.into_iter().next().map(|(_, row)| row)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::caller::Session;

    const FAILING: Uuid = Uuid::from_u128(13);
    const PANICKING: Uuid = Uuid::from_u128(66);
    const MISSING: Uuid = Uuid::nil();

    /// A function that answers with the read itself, when it is let.
    struct Fixture {
        reads: GatheredReads<GatheredRead>,
        calls: Arc<std::sync::Mutex<Vec<Vec<GatheredRead>>>>,
        permits: Arc<Semaphore>,
    }

    fn fixture(permits: usize, max_reads_per_call: usize, max_waiting: usize) -> Fixture {
        let permits = Arc::new(Semaphore::new(permits));
        let calls = Arc::<std::sync::Mutex<Vec<_>>>::default();
        let (gate, log) = (permits.clone(), calls.clone());
        let call = move |reads: Vec<GatheredRead>| {
            let (gate, log) = (gate.clone(), log.clone());
            async move {
                log.lock().unwrap().push(reads.clone());
                gate.acquire().await.unwrap().forget();
                assert!(reads.iter().all(|read| read.id != PANICKING), "as the test wants it");
                if reads.iter().any(|read| read.id == FAILING) {
                    return Err(Error::DeadlineExceeded);
                }
                let found = reads.into_iter().enumerate().filter(|(_, read)| read.id != MISSING);
                Ok(found.collect())
            }
            .boxed()
        };
        let reads = GatheredReads::calling(Arc::new(call), max_reads_per_call, max_waiting);
        Fixture { reads, calls, permits }
    }

    fn caller(number: u128) -> Caller {
        Caller::User(Session {
            session_id: Uuid::nil(),
            user_id: Uuid::from_u128(number),
            expires_at: chrono::Utc::now(),
            scopes: None,
        })
    }

    impl Fixture {
        /// Reads by as many callers, started in order; they run when this task waits.
        fn start(&self, ids: &[Uuid]) -> Vec<tokio::task::JoinHandle<Result<Option<GatheredRead>>>> {
            let start = |(number, id): (usize, &Uuid)| {
                let (reads, id) = (self.reads.clone(), *id);
                tokio::spawn(async move { reads.read(&caller(number as u128), id).await })
            };
            ids.iter().enumerate().map(start).collect()
        }

        /// Sizes of the calls that were sent.
        fn sizes(&self) -> Vec<usize> {
            self.calls.lock().unwrap().iter().map(Vec::len).collect()
        }

        /// Sends as many calls as may be in flight, with a read each; they wait for permits.
        async fn fill_calls_in_flight(&self) {
            for id in ids(100..102) {
                drop(self.start(&[id]));
                Self::settle().await;
            }
        }

        /// Lets every other task go on as far as it can: on one thread, each has had its turn after a few.
        async fn settle() {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn ids(numbers: impl IntoIterator<Item = u128>) -> Vec<Uuid> {
        numbers.into_iter().map(Uuid::from_u128).collect()
    }

    #[tokio::test]
    async fn a_read_alone_goes_at_once_and_what_comes_meanwhile_goes_together() {
        let fixture = fixture(0, 64, 1000);
        fixture.fill_calls_in_flight().await;
        let later = fixture.start(&ids(200..230));
        Fixture::settle().await;
        assert_eq!(fixture.sizes(), [1, 1], "both of the first are in flight");

        fixture.permits.add_permits(100);
        for (number, read) in later.into_iter().enumerate() {
            let found = read.await.unwrap().unwrap().unwrap();
            let (user_id, id) = (Uuid::from_u128(number as u128), Uuid::from_u128(200 + number as u128));
            assert_eq!((found.user_id, found.id), (user_id, id), "each gets the row of its own read");
        }
        assert_eq!(fixture.sizes(), [1, 1, 30]);
    }

    #[tokio::test]
    async fn no_call_has_more_reads_than_allowed_and_what_is_not_found_is_nothing() {
        let fixture = fixture(1000, 8, 1000);
        let mut wanted = ids(100..120);
        wanted.insert(5, MISSING);
        let reads = futures::future::join_all(fixture.start(&wanted)).await;
        for (read, id) in reads.into_iter().zip(wanted) {
            assert_eq!(read.unwrap().unwrap().map(|read| read.id), Some(id).filter(|id| *id != MISSING));
        }
        assert!(fixture.sizes().iter().all(|size| *size <= 8), "{:?}", fixture.sizes());
    }

    #[tokio::test]
    async fn one_that_fails_fails_alone() {
        let fixture = fixture(1000, 64, 1000);
        let mut wanted = ids(100..120);
        wanted.insert(7, FAILING);
        let reads = futures::future::join_all(fixture.start(&wanted)).await;
        for (read, id) in reads.into_iter().zip(wanted) {
            match read.unwrap() {
                Ok(found) => assert_eq!(found.unwrap().id, id),
                Err(error) => assert!(id == FAILING && matches!(error, Error::DeadlineExceeded), "{error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_is_not_sent() {
        let fixture = fixture(0, 64, 1000);
        fixture.fill_calls_in_flight().await;
        let later = fixture.start(&ids(200..210));
        Fixture::settle().await;
        later.iter().skip(3).for_each(tokio::task::JoinHandle::abort);
        Fixture::settle().await;
        fixture.permits.add_permits(100);
        for read in later.into_iter().take(3) {
            assert!(read.await.unwrap().unwrap().is_some());
        }
        assert_eq!(fixture.sizes(), [1, 1, 3]);
    }

    #[tokio::test]
    async fn more_reads_than_may_wait_are_refused_and_later_ones_are_answered() {
        let fixture = fixture(0, 64, 5);
        fixture.fill_calls_in_flight().await;
        let reads = fixture.start(&ids(200..220));
        Fixture::settle().await;
        fixture.permits.add_permits(100);
        let outcomes = futures::future::join_all(reads).await;
        let refused = outcomes.iter().filter(|outcome| {
            matches!(outcome, Ok(Err(Error::Exhausted { reason: ErrorReason::Overloaded, .. })))
        });
        assert_eq!(refused.count(), 15);
        assert!(fixture.reads.read(&caller(1), Uuid::max()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_panic_ends_no_more_than_its_call() {
        let fixture = fixture(1000, 64, 1000);
        let panicked = AtomicUsize::new(0);
        for _ in 0..2 * MAX_CALLS_IN_FLIGHT {
            if fixture.reads.read(&caller(1), PANICKING).await.is_err() {
                panicked.fetch_add(1, Ordering::Relaxed);
            }
        }
        assert_eq!(panicked.into_inner(), 2 * MAX_CALLS_IN_FLIGHT);
        assert!(fixture.reads.read(&caller(1), Uuid::max()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_away_for_all_without_further_calls() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let gate = Arc::new(Semaphore::new(0));
        let closed = gate.clone();
        let call = move |_: Vec<GatheredRead>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let gate = closed.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Err(Error::unavailable("postgresql", "away"))
            }
            .boxed()
        };
        let reads = GatheredReads::<GatheredRead>::calling(Arc::new(call), 64, 1000);
        let fixture = Fixture { reads, calls: Arc::default(), permits: gate };
        let all = fixture.start(&ids(100..120));
        Fixture::settle().await;
        fixture.permits.add_permits(100);
        for read in all {
            assert!(matches!(read.await.unwrap(), Err(Error::Unavailable { dependency: "postgresql", .. })));
        }
        assert!(calls.load(Ordering::Relaxed) <= 3, "{calls:?}");
    }
}
