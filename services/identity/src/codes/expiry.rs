//! Forgets codes that have ended. Safe to run from every replica.

use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::clock::Clock;
use shared::database::Database;
use shared::error::Result;
use shared::housekeeping;
use tokio_util::sync::CancellationToken;

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(600);
/// Codes forgotten in one transaction, so that none holds locks for long.
const BATCH: usize = 1_000;

/// Forgets codes that have ended, again and again, until told to stop.
pub async fn forget_expired(worker: Database, clock: Clock, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => housekeeping::note("codes", &forget_all(&worker, &clock).await),
        }
    }
}

async fn forget_all(worker: &Database, clock: &Clock) -> Result<()> {
    while forget_some(worker, clock).await? == BATCH {}
    Ok(())
}

async fn forget_some(worker: &Database, clock: &Clock) -> Result<usize> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let query = sql_query(
        "DELETE FROM identity.account_codes WHERE id IN (SELECT id FROM identity.account_codes \
         WHERE expires_at < $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(clock.now())
    .bind::<BigInt, _>(i64::try_from(BATCH).unwrap_or(i64::MAX));
    let forgotten = query.execute(&mut conn).await?;
    tx.commit().await?;
    Ok(forgotten)
}
