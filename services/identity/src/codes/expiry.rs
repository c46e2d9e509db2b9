//! Deletion of expired codes. Safe to run from every replica.

use std::time::Duration;

use diesel::sql_types::{BigInt, Integer, Timestamptz};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::clock::Clock;
use shared::database::Database;
use shared::error::Result;
use shared::housekeeping;
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(600);
/// Per transaction, so that none holds locks for long.
const BATCH_SIZE: i32 = 1_000;

/// Deletes expired codes until the service stops.
pub async fn delete_expired(worker: Database, clock: Clock, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => housekeeping::record_run("codes", &delete_all(&worker, &clock).await),
        }
    }
}

async fn delete_all(worker: &Database, clock: &Clock) -> Result<()> {
    while delete_batch(worker, clock).await? == i64::from(BATCH_SIZE) {}
    Ok(())
}

#[derive(QueryableByName)]
struct DeletedCount {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn delete_batch(worker: &Database, clock: &Clock) -> Result<i64> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let query = sql_query("SELECT identity.delete_expired_codes($1, $2) AS count")
        .bind::<Timestamptz, _>(clock.now())
        .bind::<Integer, _>(BATCH_SIZE);
    let deleted: DeletedCount = query.get_result(&mut conn).await?;
    tx.commit().await?;
    Ok(deleted.count)
}
