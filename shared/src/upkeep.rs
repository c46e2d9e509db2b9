//! How `dafnck maintain` stands, as the database knows it: measured by the services, which run all the time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diesel::sql_types::{Bool, Double, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use opentelemetry::KeyValue;

use crate::database::Database;
use crate::error::Result;
use crate::telemetry;

/// A job that is done from time to time.
#[derive(Clone, Debug, QueryableByName)]
struct Standing {
    #[diesel(sql_type = Text)]
    work: String,
    /// Seconds since it last began.
    #[diesel(sql_type = Double)]
    age: f64,
    #[diesel(sql_type = Bool)]
    failed: bool,
}

/// What was last seen of all jobs in a schema.
#[derive(Clone, Default)]
pub(crate) struct Upkeep(Arc<Mutex<Vec<Standing>>>);

impl Upkeep {
    /// Measured as `dafnck.maintenance.age` and `dafnck.maintenance.failed`.
    pub(crate) fn measured(schema: &'static str) -> Self {
        let (upkeep, meter) = (Self::default(), telemetry::meter());
        let names = move |standing: &Standing| {
            [KeyValue::new("schema", schema), KeyValue::new("work", standing.work.clone())]
        };
        let ages = upkeep.clone();
        meter
            .f64_observable_gauge("dafnck.maintenance.age")
            .with_description(
                "How long ago a job of `dafnck maintain` last began; of the schema, if none ever did.",
            )
            .with_unit("s")
            .with_callback(move |observer| {
                ages.seen().iter().for_each(|s| observer.observe(s.age, &names(s)))
            })
            .build();
        let failures = upkeep.clone();
        meter
            .i64_observable_gauge("dafnck.maintenance.failed")
            .with_description("Whether a job of `dafnck maintain` failed when it last ran: 1 or 0.")
            .with_unit("{failure}")
            .with_callback(move |observer| {
                failures.seen().iter().for_each(|s| observer.observe(s.failed.into(), &names(s)));
            })
            .build();
        upkeep
    }

    /// Looks how it stands now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn look(&self, worker: &Database, schema: &'static str) -> Result<()> {
        let tx = worker.begin_background().await?;
        let mut conn: &AsyncPgConnection = &tx;
        let query = sql_query(format!("SELECT work, age, failed FROM {schema}.maintenance_standing()"));
        let seen = query.load(&mut conn).await?;
        tx.finish();
        *self.seen() = seen;
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
