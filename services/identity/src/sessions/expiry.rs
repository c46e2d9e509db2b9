//! Deletion of ended sessions and API tokens. Safe to run from every replica.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_query;
use diesel::sql_types::Timestamptz;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::clock::Clock;
use shared::database::Database;
use shared::error::Result;
use shared::housekeeping;
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(600);
/// Per transaction, so that none holds locks for long.
const BATCH_SIZE: usize = 1_000;
/// How long a session stays in the table after its end.
const RETENTION: TimeDelta = TimeDelta::days(1);

/// Deletes sessions a day after their refresh tokens expired, until the service stops.
pub async fn delete_ended(worker: Database, clock: Clock, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => housekeeping::record_run("sessions", &delete_all(&worker, clock.now() - RETENTION).await),
        }
    }
}

async fn delete_all(worker: &Database, ended_before: DateTime<Utc>) -> Result<()> {
    let sessions = ("user_sessions", "expires_at < $1 AND refresh_expires_at < $1");
    let tokens = ("api_tokens", "expires_at < $1 OR revoked_at < $1");
    for (table, has_ended) in [sessions, tokens] {
        while delete_batch(worker, table, has_ended, ended_before).await? == BATCH_SIZE {}
    }
    Ok(())
}

/// A refresh token outlives its session token; the condition on both lets the index on the latter help. Locked rows are
/// left to the next run.
async fn delete_batch(
    worker: &Database,
    table: &str,
    has_ended: &str,
    ended_before: DateTime<Utc>,
) -> Result<usize> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let deleted = sql_query(format!(
        "DELETE FROM identity.{table} WHERE id = ANY (ARRAY( \
         SELECT id FROM identity.{table} WHERE {has_ended} LIMIT {BATCH_SIZE} FOR UPDATE SKIP LOCKED))"
    ))
    .bind::<Timestamptz, _>(ended_before)
    .execute(&mut conn)
    .await?;
    tx.commit().await?;
    Ok(deleted)
}
