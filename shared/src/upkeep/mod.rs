//! How the database of a service is kept: measured by the services, which run all the time and wherever the suite does.

mod relations;
mod seen;
mod standing;

use diesel_async::AsyncPgConnection;

use crate::database::Database;
use crate::error::Result;
use relations::{Index, Table};
use seen::Seen;
use standing::Standing;

/// What was last seen in a schema.
pub(crate) struct Upkeep {
    schema: &'static str,
    standings: Seen<Standing>,
    tables: Seen<Table>,
    indexes: Seen<Index>,
}

impl Upkeep {
    /// Measured from now on, as of the last look.
    pub(crate) fn measured(schema: &'static str) -> Self {
        let upkeep =
            Self { schema, standings: Seen::default(), tables: Seen::default(), indexes: Seen::default() };
        standing::measure(&upkeep.standings, schema);
        relations::measure(&upkeep.tables, &upkeep.indexes, schema);
        upkeep
    }

    /// Looks how it stands now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn look(&self, worker: &Database) -> Result<()> {
        let tx = worker.begin_background().await?;
        let conn: &AsyncPgConnection = &tx;
        let (standings, tables, indexes) = tokio::try_join!(
            standing::look(conn, self.schema),
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
