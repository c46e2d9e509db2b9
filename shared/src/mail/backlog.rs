//! How much mail waits, as metrics. Every replica of a service measures the same queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Timestamptz};
use diesel::{QueryableByName, sql_query};
use opentelemetry::KeyValue;

use super::NOTHING;
use crate::database::Database;
use crate::error::Result;
use crate::telemetry;

/// As of the last measurement.
#[derive(Clone, Default)]
pub(super) struct Backlog {
    queued: Arc<AtomicI64>,
    oldest_age_seconds: Arc<AtomicI64>,
}

#[derive(QueryableByName)]
struct Measurement {
    #[diesel(sql_type = BigInt)]
    queued: i64,
    #[diesel(sql_type = BigInt)]
    oldest_age_seconds: i64,
}

impl Backlog {
    /// Exported as the metrics `dafnck.mail.queued` and `dafnck.mail.oldest_age`.
    pub(super) fn measured(schema: &'static str) -> Self {
        let backlog = Self::default();
        let gauge = |name, unit, description, value: &Arc<AtomicI64>| {
            let (value, names) = (value.clone(), [KeyValue::new("schema", schema)]);
            telemetry::meter()
                .i64_observable_gauge(name)
                .with_unit(unit)
                .with_description(description)
                .with_callback(move |observer| observer.observe(value.load(Ordering::Relaxed), &names))
                .build();
        };
        gauge("dafnck.mail.queued", "{mail}", "Mails that wait to be sent.", &backlog.queued);
        let description = "How long the oldest mail that waits to be sent has been queued.";
        gauge("dafnck.mail.oldest_age", "s", description, &backlog.oldest_age_seconds);
        backlog
    }

    /// Measures the queue of this schema.
    pub(super) async fn measure(
        &self,
        worker: &Database,
        schema: &'static str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let tx = worker.begin_background().await?;
        let query = sql_query(format!(
            "SELECT count(*) AS queued, \
             coalesce(greatest(extract(epoch FROM $1 - min(created_at)), 0), 0)::bigint AS oldest_age_seconds \
             FROM {schema}.mail_outbox WHERE kind <> '{NOTHING}'"
        ));
        let measured: Vec<Measurement> = tx.commit_with(query.bind::<Timestamptz, _>(now)).await?;
        for Measurement { queued, oldest_age_seconds } in measured {
            self.queued.store(queued, Ordering::Relaxed);
            self.oldest_age_seconds.store(oldest_age_seconds, Ordering::Relaxed);
        }
        Ok(())
    }
}
