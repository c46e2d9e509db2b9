//! One transaction on one connection of the pool.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::time::Duration;

use diesel::pg::Pg;
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::result::QueryResult;
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::PreparedQuery;
use super::connection::Connection;
use super::pool_places::PlacedConnection;
use crate::error::{Error, Result};

const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
/// How long a rollback may take before the connection is given up.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(1);

/// A transaction. Dropping it without an end rolls it back.
pub struct Transaction {
    /// Taken out at the end; see [`Transaction::drop`].
    connection: Option<PlacedConnection>,
}

impl Transaction {
    /// Sends the opening statements without waiting for their answer.
    pub(super) fn begin(connection: PlacedConnection, opening: &str) -> Self {
        send(&connection, opening);
        Self { connection: Some(connection) }
    }

    /// From here on, acts on behalf of this user. Sent ahead of the next query without waiting.
    ///
    /// # Errors
    /// When the transaction has ended.
    pub fn act_as(&self, user_id: Uuid) -> Result<()> {
        send(self.open()?, &format!("SET LOCAL app.current_user_id = '{user_id}'"));
        Ok(())
    }

    /// Sends statements ahead of the next query without waiting. If they fail, so does that query, and with it
    /// the transaction.
    ///
    /// # Errors
    /// When the transaction has ended.
    pub fn send_ahead(&self, statements: &str) -> Result<()> {
        send(self.open()?, statements);
        Ok(())
    }

    /// Keeps given `updated_at` values instead of stamping them, for imports.
    ///
    /// # Errors
    /// When the transaction has ended.
    pub fn keep_dates(&self) -> Result<()> {
        send(self.open()?, "SET LOCAL app.keep_dates = 'on'");
        Ok(())
    }

    /// Ends a transaction that has only read. Does not wait: nothing is left to learn from the answer.
    pub fn finish(mut self) {
        if let Some(connection) = self.connection.take() {
            send(&connection, COMMIT);
        }
    }

    /// Ends a transaction that only tried what it would do. Does not wait either.
    pub fn undo(mut self) {
        if let Some(connection) = self.connection.take() {
            send(&connection, "ROLLBACK");
        }
    }

    /// Commits and waits until the changes are durable.
    ///
    /// # Errors
    /// When the database does not confirm, or what was sent ahead has failed.
    pub async fn commit(mut self) -> Result<()> {
        let Some(mut connection) = self.connection.take() else { return Err(ended()) };
        connection.uncertain = true;
        let mut on: &AsyncPgConnection = &connection;
        // To a `COMMIT` alone the server answers well also where it rolls back, because a statement before it failed.
        on.batch_execute(&format!("SELECT; {}", COMMIT)).await?;
        connection.uncertain = false;
        Ok(())
    }

    /// Runs the last statement and commits, in one round trip once the statement is known to the server.
    /// The first time, the statement is prepared and run before `COMMIT` is sent, or it would overtake it.
    ///
    /// # Errors
    /// The statement's error, as the driver has it, so that callers can name broken constraints; the
    /// transaction is then rolled back.
    ///
    /// The future is boxed, or the compiler could not tell that the futures of callers are `Send`
    /// (rust-lang/rust#100013).
    pub fn commit_with<'query, Q, T>(self, query: Q) -> BoxFuture<'query, QueryResult<Vec<T>>>
    where
        Q: QueryFragment<Pg> + Send + 'query,
        PreparedQuery<Q>: for<'c> LoadQuery<'query, &'c AsyncPgConnection, T>,
        T: Send + 'query,
    {
        // An update's text depends on the fields that it sets, so there are few; Diesel would prepare each time again.
        Box::pin(self.run_with_commit(PreparedQuery(query)))
    }

    async fn run_with_commit<'query, Q, T>(mut self, query: Q) -> QueryResult<Vec<T>>
    where
        Q: QueryFragment<Pg> + Send + 'query,
        Q: for<'c> LoadQuery<'query, &'c AsyncPgConnection, T>,
        T: Send + 'query,
    {
        let statement = fingerprint(&query)?;
        let Some(mut connection) = self.connection.take() else {
            return Err(diesel::result::Error::NotInTransaction);
        };
        connection.uncertain = true;
        let prepared = connection.is_prepared(statement);
        let (rows, committed) = run_and_commit(&connection, query, prepared).await;
        connection.uncertain = false;
        let rows = rows?;
        // Only now: one that failed may not have been prepared.
        connection.remember_prepared(statement);
        committed?;
        Ok(rows)
    }

    fn open(&self) -> Result<&AsyncPgConnection> {
        match &self.connection {
            Some(connection) => Ok(connection),
            None => Err(ended()),
        }
    }
}

async fn run_and_commit<'query, Q, T>(
    connection: &Connection,
    query: Q,
    prepared: bool,
) -> (QueryResult<Vec<T>>, QueryResult<()>)
where
    Q: for<'c> LoadQuery<'query, &'c AsyncPgConnection, T> + Send + 'query,
    T: Send + 'query,
{
    let (mut first, mut second): (&AsyncPgConnection, &AsyncPgConnection) = (connection, connection);
    if prepared {
        // Each is queued by its first poll, in this order, if the driver gets the locks that it takes before it queues a
        // prepared statement. Nobody else has them, because ending consumes the transaction. Unconstrained, they are also
        // got by a task that has spent its budget (`tokio::task::coop`); else `COMMIT` would overtake the statement.
        let both = async {
            futures::join!(
                RunQueryDsl::<&AsyncPgConnection>::load(query, &mut first),
                second.batch_execute(COMMIT)
            )
        };
        return tokio::task::unconstrained(both).await;
    }
    let rows = RunQueryDsl::<&AsyncPgConnection>::load(query, &mut first).await;
    let ending = if rows.is_ok() { COMMIT } else { ROLLBACK };
    (rows, second.batch_execute(ending).await)
}

fn ended() -> Error {
    Error::internal("the transaction has ended")
}

/// A text as a literal of SQL, for statements that are sent ahead.
pub fn literal(text: &str) -> String {
    // Nothing but quotes is special in it: `standard_conforming_strings` is on.
    format!("'{}'", text.replace('\'', "''"))
}

/// Puts statements on the connection's queue without waiting for their answer: the first poll queues them, before it
/// waits for anything. Unconstrained, it does so also for a task that has spent its budget.
fn send(mut connection: &AsyncPgConnection, statements: &str) {
    let _unanswered = tokio::task::unconstrained(connection.batch_execute(statements)).now_or_never();
}

/// Tells statements apart by their SQL, as the server does.
fn fingerprint(query: &impl QueryFragment<Pg>) -> QueryResult<u64> {
    let mut builder = diesel::pg::PgQueryBuilder::default();
    query.to_sql(&mut builder, &Pg)?;
    let mut hasher = DefaultHasher::new();
    builder.finish().hash(&mut hasher);
    Ok(hasher.finish())
}

impl Deref for Transaction {
    type Target = AsyncPgConnection;

    #[allow(
        clippy::expect_used,
        reason = "ending a transaction consumes it, so nobody can hold an ended one"
    )]
    fn deref(&self) -> &AsyncPgConnection {
        self.open().expect("an open transaction has a connection")
    }
}

impl Drop for Transaction {
    /// Rolls back on the side, so that neither an error nor a deadline waits for it. A connection that does
    /// not confirm in time may still be working on a statement, and is given up.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        connection.uncertain = true;
        tokio::spawn(async move {
            let mut on: &AsyncPgConnection = &connection;
            let rolled_back = tokio::time::timeout(ROLLBACK_TIMEOUT, on.batch_execute(ROLLBACK)).await;
            connection.uncertain = !matches!(rolled_back, Ok(Ok(())));
        });
    }
}
