//! Forgets codes that have ended. Safe to run from every replica.

use std::time::Duration;

use diesel::sql_types::{BigInt, Integer, Timestamptz};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::clock::Clock;
use shared::database::Database;
use shared::error::Result;
use shared::housekeeping;
use tokio_util::sync::CancellationToken;

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(600);
/// Codes forgotten in one transaction, so that none holds locks for long.
const BATCH: i32 = 1_000;

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
    while forget_some(worker, clock).await? == i64::from(BATCH) {}
    Ok(())
}

#[derive(QueryableByName)]
struct Forgotten {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn forget_some(worker: &Database, clock: &Clock) -> Result<i64> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let query = sql_query("SELECT identity.delete_expired_codes($1, $2) AS count")
        .bind::<Timestamptz, _>(clock.now())
        .bind::<Integer, _>(BATCH);
    let forgotten: Forgotten = query.get_result(&mut conn).await?;
    tx.commit().await?;
    Ok(forgotten.count)
}
