//! Transactions scoped to a caller, in few round trips.
//!
//! [`Database::begin`] waits for nothing: `BEGIN` and the settings that row-level security reads are sent
//! ahead of the first query and answered together with it. A read is done when its query has answered:
//! [`Transaction::finish`] sends `COMMIT` without waiting. A write that is one statement goes out together
//! with its `COMMIT` ([`Transaction::commit_with`]). So reads cost one round trip and writes two: one to
//! look and lock, one to change and commit.
//!
//! The protocol keeps what is sent on one connection in order, so a transaction that ends unseen (an error,
//! a dropped future) is rolled back before the connection's next user begins.

mod connection;
mod errors;
mod failures;
mod gathered_query;
mod gathered_reads;
mod gathered_writes;
mod metrics;
mod page_by_bytes;
mod pool_places;
mod prepared;
mod slow_statements;
mod transaction;
mod url;
mod writable;

use std::time::{Duration, Instant};

use bb8::Pool;
use uuid::Uuid;

use metrics::PoolMetrics;
use pool_places::{PlacedConnection, PoolPlace, PoolPlaces};

pub use connection::{Connection, ConnectionManager, connect, connect_with_options, wait_until_reachable};
pub use diesel_async::AsyncPgConnection;
pub use errors::{Constraint, Rule, constraint_of, detail_of, explain};
pub use gathered_query::{ColumnsOf, GatheredColumns, GatheredQuery};
pub use gathered_reads::GatheredReads;
pub use gathered_writes::GatheredWrites;
pub use page_by_bytes::{PageByBytes, end_page_by_bytes};
pub use pool_places::OutsideCall;
pub use prepared::{PreparedQuery, TypedQuery};
pub use transaction::{Transaction, literal};
pub use url::DatabaseUrl;

use crate::caller::Caller;
use crate::config::{DEFAULT_SLOW_STATEMENT_MILLISECONDS, DatabaseOptions, Secret};
use crate::error::{Error, ErrorReason, Result};
use crate::server::MAX_STREAM_TIMEOUT;

/// How long a call waits for a free connection, and a new connection may take.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a statement may run: the longest deadline that a call can have.
const STATEMENT_TIMEOUT_MS: u64 = 30_000;
/// How long a statement of background work may run: feeds, imports and deletions work in batches.
const BACKGROUND_STATEMENT_TIMEOUT_MS: u64 = 60_000;

/// After which time to retry when others from the same user or address hold all connections that these may have.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const TOO_MANY_STATEMENTS: Error = Error::Exhausted {
    reason: ErrorReason::Overloaded,
    message: "other calls use the database for too long; try again later",
    retry_after: RETRY_AFTER,
};

/// A pool of connections under one role.
#[derive(Clone)]
pub struct Database {
    pool: Pool<ConnectionManager>,
    places: PoolPlaces,
    metrics: PoolMetrics,
}

impl Database {
    /// A pool that connects when it is first used, so that a service can start before its database.
    ///
    /// # Errors
    /// When the URL is malformed.
    pub fn new(url: &Secret, options: &DatabaseOptions, max_connections: u32) -> anyhow::Result<Self> {
        let slow = Duration::from_millis(DEFAULT_SLOW_STATEMENT_MILLISECONDS);
        Self::logging_slow(url, options, max_connections, slow)
    }

    /// As [`Self::new`]; statements that take longer than this are logged.
    ///
    /// # Errors
    /// When the URL is malformed.
    pub fn logging_slow(
        url: &Secret,
        options: &DatabaseOptions,
        max_connections: u32,
        slow: Duration,
    ) -> anyhow::Result<Self> {
        let manager = ConnectionManager::new(url, options)?.of_pool(slow);
        let name = manager.role().to_owned();
        let pool = Pool::builder()
            .max_size(max_connections)
            .connection_timeout(CONNECTION_TIMEOUT)
            .error_sink(failures::Failures::of(&name))
            .test_on_check_out(true)
            // The connection used last is the one whose statements are prepared and whose caches are warm.
            .queue_strategy(bb8::QueueStrategy::Lifo)
            .build_unchecked(manager);
        let metrics = PoolMetrics::of(&pool, &name, max_connections);
        Ok(Self { pool, places: PoolPlaces::of_pool(max_connections), metrics })
    }

    /// Begins a transaction on behalf of the caller.
    ///
    /// # Errors
    /// `UNAVAILABLE` when there is no connection to be had.
    pub async fn begin(&self, caller: &Caller) -> Result<Transaction> {
        self.begin_as(caller.database_user()).await
    }

    /// Begins a transaction on behalf of the caller that reads in these projects. If it is one, policies check the access to
    /// it once for each statement and not for each row. Statements that read in others stay correct.
    ///
    /// # Errors
    /// `UNAVAILABLE` when there is no connection to be had.
    pub async fn begin_in_projects(&self, caller: &Caller, projects: &[Uuid]) -> Result<Transaction> {
        let setting = match projects {
            [project_id] => format!("; SET LOCAL app.project_id = '{project_id}'"),
            _ => String::new(),
        };
        self.begin_with(caller.database_user(), &setting).await
    }

    /// Begins a transaction on behalf of a user.
    ///
    /// # Errors
    /// `UNAVAILABLE` when there is no connection to be had.
    pub async fn begin_as(&self, user_id: Uuid) -> Result<Transaction> {
        self.begin_with(user_id, "").await
    }

    /// Begins with more settings, each after a semicolon.
    async fn begin_with(&self, user_id: Uuid, settings: &str) -> Result<Transaction> {
        let connection = self.connection().await?;
        let trace_id = crate::telemetry::current_trace_id();
        Ok(Transaction::begin(
            connection,
            &format!(
                "BEGIN; SET LOCAL app.current_user_id = '{user_id}'; SET LOCAL app.trace_id = '{trace_id}'; \
                 SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}{settings}"
            ),
        ))
    }

    /// Begins a transaction for background work, which acts for no user: the policies of the worker role apply.
    ///
    /// # Errors
    /// `UNAVAILABLE` when there is no connection to be had.
    pub async fn begin_background(&self) -> Result<Transaction> {
        let connection = self.connection().await?;
        let opening = format!("BEGIN; SET LOCAL statement_timeout = {BACKGROUND_STATEMENT_TIMEOUT_MS}");
        Ok(Transaction::begin(connection, &opening))
    }

    /// Begins a transaction for background work that reads all as it is at its first query, and changes nothing. It may
    /// idle as long as a stream may last: its reader sets the pace.
    ///
    /// # Errors
    /// `UNAVAILABLE` when there is no connection to be had.
    pub async fn begin_snapshot(&self) -> Result<Transaction> {
        let connection = self.connection().await?;
        let idle_seconds = MAX_STREAM_TIMEOUT.as_secs();
        Ok(Transaction::begin(
            connection,
            &format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                 SET LOCAL statement_timeout = {BACKGROUND_STATEMENT_TIMEOUT_MS}; \
                 SET LOCAL idle_in_transaction_session_timeout = '{idle_seconds}s'"
            ),
        ))
    }

    async fn connection(&self) -> Result<PlacedConnection> {
        self.connection_at(self.places.acquire()).await
    }

    /// For a statement of several calls.
    async fn connection_for_several(&self) -> Result<PlacedConnection> {
        self.connection_at(self.places.acquire_for_several()).await
    }

    async fn connection_at(&self, place: impl Future<Output = PoolPlace>) -> Result<PlacedConnection> {
        let asked = Instant::now();
        let connection = match tokio::time::timeout(CONNECTION_TIMEOUT, place).await {
            Ok(place) => {
                let connection = self.pool.get_owned().await;
                connection.map(|connection| PlacedConnection { connection, _place: place })
            }
            Err(_) => {
                self.metrics.record_wait(asked.elapsed(), false);
                return Err(TOO_MANY_STATEMENTS);
            }
        };
        self.metrics.record_wait(asked.elapsed(), connection.is_ok());
        connection.map_err(|error| Error::unavailable("postgresql", error))
    }

    /// Whether the database answers, and takes writes.
    pub async fn is_ready(&self) -> bool {
        use diesel_async::SimpleAsyncConnection;
        let Ok(connection) = self.pool.get().await else { return false };
        let mut connection: &AsyncPgConnection = &connection;
        matches!(
            tokio::time::timeout(CONNECTION_TIMEOUT, connection.batch_execute(writable::REQUIRE_WRITABLE))
                .await,
            Ok(Ok(()))
        )
    }
}
