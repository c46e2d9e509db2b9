//! How the database of a service is kept: measured by the services, which run all the time and wherever the suite does.

mod job_status;
mod latest_values;
mod relations;

use diesel_async::AsyncPgConnection;

use crate::database::Database;
use crate::error::Result;
use job_status::JobStatus;
use latest_values::LatestValues;
use relations::{Index, Table};

/// What was last seen in a schema.
pub(crate) struct DatabaseMetrics {
    schema: &'static str,
    standings: LatestValues<JobStatus>,
    tables: LatestValues<Table>,
    indexes: LatestValues<Index>,
}

impl DatabaseMetrics {
    /// Measured from now on, as of the last look.
    pub(crate) fn measured(schema: &'static str) -> Self {
        let database_metrics = Self {
            schema,
            standings: LatestValues::default(),
            tables: LatestValues::default(),
            indexes: LatestValues::default(),
        };
        job_status::measure(&database_metrics.standings, schema);
        relations::measure(&database_metrics.tables, &database_metrics.indexes, schema);
        database_metrics
    }

    /// Looks how it stands now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn look(&self, worker: &Database) -> Result<()> {
        let tx = worker.begin_background().await?;
        let conn: &AsyncPgConnection = &tx;
        let (standings, tables, indexes) = tokio::try_join!(
            job_status::look(conn, self.schema),
            relations::tables(conn, self.schema),
            relations::indexes(conn, self.schema)
        )?;
        tx.finish();
        self.standings.replace(standings);
        self.tables.replace(tables);
        self.indexes.replace(indexes);
        Ok(())
    }
}
