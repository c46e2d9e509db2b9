//! Forgets sessions and API tokens that have ended. Safe to run from every replica.

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

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(600);
/// Sessions forgotten in one transaction, so that none holds locks for long.
const BATCH: usize = 1_000;
/// How long a session that has ended stays on record.
const RECORD: TimeDelta = TimeDelta::days(1);

/// Forgets sessions a day after their refresh tokens ended, again and again, until told to stop.
pub async fn forget_ended(worker: Database, clock: Clock, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => housekeeping::note("sessions", &forget_all(&worker, clock.now() - RECORD).await),
        }
    }
}

async fn forget_all(worker: &Database, ended_before: DateTime<Utc>) -> Result<()> {
    let sessions = ("user_sessions", "expires_at < $1 AND refresh_expires_at < $1");
    let tokens = ("api_tokens", "expires_at < $1 OR revoked_at < $1");
    for (table, has_ended) in [sessions, tokens] {
        while forget_some(worker, table, has_ended, ended_before).await? == BATCH {}
    }
    Ok(())
}

/// A refresh token outlives its session token; asking for both lets the index on the latter help. What somebody is
/// writing is left to the next round.
async fn forget_some(
    worker: &Database,
    table: &str,
    has_ended: &str,
    ended_before: DateTime<Utc>,
) -> Result<usize> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let forgotten = sql_query(format!(
        "DELETE FROM identity.{table} WHERE id = ANY (ARRAY( \
         SELECT id FROM identity.{table} WHERE {has_ended} LIMIT {BATCH} FOR UPDATE SKIP LOCKED))"
    ))
    .bind::<Timestamptz, _>(ended_before)
    .execute(&mut conn)
    .await?;
    tx.commit().await?;
    Ok(forgotten)
}
