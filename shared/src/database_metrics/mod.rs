//! Metrics of a service's database and its maintenance, exported by the services.

mod job_status;
mod latest_values;
mod relations;

use diesel_async::AsyncPgConnection;

use crate::database::Database;
use crate::error::Result;
use job_status::JobStatus;
use latest_values::LatestValues;
use relations::{Index, Table};

/// The metrics of a schema.
pub(crate) struct DatabaseMetrics {
    schema: &'static str,
    jobs: LatestValues<JobStatus>,
    tables: LatestValues<Table>,
    indexes: LatestValues<Index>,
}

impl DatabaseMetrics {
    /// Measured from now on, as of the last look.
    pub(crate) fn measured(schema: &'static str) -> Self {
        let database_metrics = Self {
            schema,
            jobs: LatestValues::default(),
            tables: LatestValues::default(),
            indexes: LatestValues::default(),
        };
        job_status::measure(&database_metrics.jobs, schema);
        relations::measure(&database_metrics.tables, &database_metrics.indexes, schema);
        database_metrics
    }

    /// Reads the present values.
    pub(crate) async fn collect(&self, worker: &Database) -> Result<()> {
        let tx = worker.begin_background().await?;
        let conn: &AsyncPgConnection = &tx;
        let (jobs, tables, indexes) = tokio::try_join!(
            job_status::read(conn, self.schema),
            relations::tables(conn, self.schema),
            relations::indexes(conn, self.schema)
        )?;
        tx.finish();
        self.jobs.replace(jobs);
        self.tables.replace(tables);
        self.indexes.replace(indexes);
        Ok(())
    }
}
