//! When the past no longer changes.
//!
//! A change bears the time at which it was made, but others see it when its transaction commits. So the rows as they were
//! at a time are known for sure once every transaction that was writing at that time has ended. Reads of a recent time
//! wait for these, and so answer the same whenever they are repeated.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, Bool, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures::try_join;
use tokio::time::Instant;

use crate::database::PreparedQuery;
use crate::error::{Error, Result};

/// No transaction writes for longer: requests end by their deadline, background work by its statements' timeout.
const MAX_WRITE_TIME: TimeDelta = TimeDelta::minutes(5);
/// How long a read waits for writers.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(4);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

#[derive(QueryableByName)]
struct Writers {
    /// Whether the time has passed by the clock that stamps changes.
    #[diesel(sql_type = Bool)]
    has_passed: bool,
    /// The transactions that are writing in this database.
    #[diesel(sql_type = Array<Text>)]
    running: Vec<String>,
}

/// Waits until all writes of this time are visible to the next statement.
///
/// # Errors
/// `UNAVAILABLE` when a writer takes longer than [`SETTLE_TIMEOUT`].
pub(super) async fn wait_for_writers(conn: &AsyncPgConnection, at: DateTime<Utc>) -> Result<()> {
    if at < Utc::now() - MAX_WRITE_TIME {
        return Ok(());
    }
    let start = Instant::now();
    let mut awaited: Option<Vec<String>> = None;
    loop {
        let writers = current_writers(conn, at).await?;
        if writers.has_passed {
            let still_running = match awaited {
                None => writers.running,
                Some(before) => before.into_iter().filter(|one| writers.running.contains(one)).collect(),
            };
            if still_running.is_empty() {
                return Ok(());
            }
            awaited = Some(still_running);
        }
        if start.elapsed() > SETTLE_TIMEOUT {
            return Err(Error::unavailable(
                "postgresql",
                "a transaction that was writing at that time still runs",
            ));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// PostgreSQL remembers the activity until the transaction ends, unless it is told to forget it, which travels ahead.
async fn current_writers(conn: &AsyncPgConnection, at: DateTime<Utc>) -> Result<Writers> {
    let query = sql_query(
        "SELECT clock_timestamp() > $1 AS has_passed, \
         coalesce(array_agg(backend_xid::text) FILTER (WHERE backend_xid IS NOT NULL), '{}') AS running \
         FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .bind::<Timestamptz, _>(at);
    let (mut first, mut second) = (conn, conn);
    let forgotten = first.batch_execute("SELECT pg_stat_clear_snapshot()");
    let ((), writers) = try_join!(forgotten, PreparedQuery(query).get_result(&mut second))?;
    Ok(writers)
}
