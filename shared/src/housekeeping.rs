//! What every schema forgets in time: old changes and old request ids. Safe to run from every replica.

use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::Integer;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio_util::sync::CancellationToken;

use crate::change_log::RETENTION_DAYS;
use crate::database::Database;
use crate::error::Result;
use crate::idempotency::KEY_LIFETIME_HOURS;

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(600);
/// Most rows forgotten in one transaction, so that none holds locks for long.
const AT_MOST: i32 = 10_000;

/// Forgets what is old, again and again, until told to stop.
pub async fn run(worker: Database, schema: &'static str, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => if let Err(error) = forget_old(&worker, schema).await {
                tracing::warn!(schema, %error, "old rows could not be forgotten; trying again later");
            }
        }
    }
}

async fn forget_old(worker: &Database, schema: &'static str) -> Result<()> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    sql_query(format!("SELECT {schema}.trim_change_log(make_interval(days => $1), $2)"))
        .bind::<Integer, _>(RETENTION_DAYS)
        .bind::<Integer, _>(AT_MOST)
        .execute(&mut conn)
        .await?;
    sql_query(format!(
        "DELETE FROM {schema}.idempotency_keys WHERE created_at < now() - make_interval(hours => $1)"
    ))
    .bind::<Integer, _>(KEY_LIFETIME_HOURS)
    .execute(&mut conn)
    .await?;
    tx.commit().await
}
