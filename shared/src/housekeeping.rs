//! Deletes old changes and request ids of a schema. Safe to run in every replica.

use std::time::Duration;

use diesel::sql_types::{BigInt, Integer};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use opentelemetry::KeyValue;
use tokio_util::sync::CancellationToken;

use crate::change_log::RETENTION_DAYS;
use crate::database::Database;
use crate::database_metrics::DatabaseMetrics;
use crate::error::Result;
use crate::idempotency::KEY_LIFETIME_HOURS;

/// How often housekeeping runs.
const RUN_INTERVAL: Duration = Duration::from_secs(600);
/// Most rows deleted in one transaction, so that none holds locks for long.
const DELETE_BATCH_SIZE: i64 = 10_000;

/// Deletes expired rows and collects database metrics in intervals, until `shutdown`.
pub async fn run(worker: Database, schema: &'static str, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(RUN_INTERVAL);
    let database_metrics = DatabaseMetrics::measured(schema);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => {
                record_run("old_rows", &delete_expired(&worker, schema).await);
                record_run("database_metrics", &database_metrics.collect(&worker).await);
            }
        }
    }
}

/// Counts a run of background work; a failure is also logged.
pub fn record_run<T>(work: &'static str, outcome: &Result<T>) {
    let ended = if outcome.is_ok() { "done" } else { "failed" };
    crate::telemetry::meter()
        .u64_counter("dafnck.housekeeping.runs")
        .with_description("Runs of background work, as deleting expired rows.")
        .with_unit("{run}")
        .build()
        .add(1, &[KeyValue::new("work", work), KeyValue::new("outcome", ended)]);
    if let Err(error) = outcome {
        tracing::warn!(work, %error, "background work failed; it is tried again later");
    }
}

/// Deletes the changes and request ids that are past their retention, a batch in each transaction.
pub async fn delete_expired(worker: &Database, schema: &'static str) -> Result<()> {
    let changes = format!("SELECT {schema}.trim_change_log(make_interval(days => $1), $2) AS count");
    while delete_batch(worker, &changes, RETENTION_DAYS).await? >= DELETE_BATCH_SIZE {}
    let keys = format!(
        "WITH gone AS (DELETE FROM {schema}.idempotency_keys WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM {schema}.idempotency_keys WHERE created_at < now() - make_interval(hours => $1) \
         LIMIT $2)) RETURNING 1) SELECT count(*) AS count FROM gone"
    );
    while delete_batch(worker, &keys, KEY_LIFETIME_HOURS).await? >= DELETE_BATCH_SIZE {}
    Ok(())
}

#[derive(QueryableByName)]
struct DeletedRows {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn delete_batch(worker: &Database, statement: &str, age: i32) -> Result<i64> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let query = sql_query(statement)
        .bind::<Integer, _>(age)
        .bind::<Integer, _>(i32::try_from(DELETE_BATCH_SIZE).unwrap_or(i32::MAX));
    let deleted: DeletedRows = query.get_result(&mut conn).await?;
    tx.commit().await?;
    Ok(deleted.count)
}
