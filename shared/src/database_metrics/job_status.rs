//! The jobs of `dafnck maintain`.

use diesel::sql_types::{Bool, Double, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use opentelemetry::KeyValue;

use super::latest_values::LatestValues;
use crate::error::Result;
use crate::telemetry;

/// A recurring job.
#[derive(QueryableByName)]
pub(super) struct JobStatus {
    #[diesel(sql_type = Text)]
    job: String,
    /// Seconds since it last began.
    #[diesel(sql_type = Double)]
    age: f64,
    #[diesel(sql_type = Bool)]
    failed: bool,
}

/// Exports `dafnck.maintenance.age` and `dafnck.maintenance.failed`.
pub(super) fn measure(jobs: &LatestValues<JobStatus>, schema: &'static str) {
    let names =
        move |it: &JobStatus| [KeyValue::new("schema", schema), KeyValue::new("work", it.job.clone())];
    let ages = jobs.clone();
    telemetry::meter()
        .f64_observable_gauge("dafnck.maintenance.age")
        .with_description(
            "How long ago a job of `dafnck maintain` last began; of the schema, if none ever did.",
        )
        .with_unit("s")
        .with_callback(move |observer| ages.get().iter().for_each(|it| observer.observe(it.age, &names(it))))
        .build();
    let failed = "Whether a job of `dafnck maintain` failed when it last ran: 1 or 0.";
    jobs.gauge("dafnck.maintenance.failed", "{failure}", failed, move |it| (it.failed.into(), names(it)));
}

pub(super) async fn read(mut conn: &AsyncPgConnection, schema: &str) -> Result<Vec<JobStatus>> {
    let query = sql_query(format!("SELECT job, age, failed FROM {schema}.maintenance_status()"));
    Ok(query.load(&mut conn).await?)
}
