//! Reading a schema's change log, which serves as audit, outbox and source of the feeds.
//!
//! Changes are ordered by transaction and position, and read only below the snapshot's xmin: a transaction
//! that is still running may yet add changes before those that are already there.

mod envelope;
pub mod feed;
mod history;
mod incarnation;
mod lag;
pub mod positions;
mod records;
mod signal;
mod wait_for_writers;

pub use envelope::resource_types;
pub use history::{
    HistoryFilter, TruncatedRows, bounded_history, bounded_rows_at, project_history, row_at, rows_at,
};
pub use lag::Lag;
pub use records::{Operation, Record};
pub use signal::{Listener, Signal};

use std::fmt;
use std::str::FromStr;

use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::PreparedQuery;
use crate::error::{Error, Result};

/// How long changes are kept, in days.
pub const RETENTION_DAYS: i32 = 30;
/// Most changes read at once.
pub const BATCH: i64 = 500;

/// A position in a change log: after this change. It is valid only in the incarnation of the database that it comes from
/// (see `incarnation.rs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// The incarnation of the database.
    pub incarnation: i64,
    /// The transaction that made the change.
    pub transaction_id: i64,
    /// The change's number in the log.
    pub position: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.incarnation, self.transaction_id, self.position)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split('.').map(|number| number.parse().ok().filter(|number| *number >= 0));
        match numbers.collect::<Option<Vec<i64>>>().as_deref() {
            Some(&[incarnation, transaction_id, position]) => {
                Ok(Self { incarnation, transaction_id, position })
            }
            _ => Err(Error::invalid("cursor", "must be a cursor from an earlier answer")),
        }
    }
}

impl Cursor {
    /// `OUT_OF_RANGE` for a position of another incarnation and for one before which the log has been trimmed.
    pub fn check_against(self, horizon: Self) -> Result<()> {
        if self.incarnation != horizon.incarnation || self < horizon {
            Err(Error::CursorExpired)
        } else {
            Ok(())
        }
    }
}

/// One change.
#[derive(Clone, Debug, QueryableByName)]
pub struct Change {
    /// The incarnation of the database.
    #[diesel(sql_type = BigInt)]
    pub incarnation: i64,
    /// The transaction that made the change.
    #[diesel(sql_type = BigInt)]
    pub transaction_id: i64,
    /// The change's number in the log.
    #[diesel(sql_type = BigInt)]
    pub position: i64,
    /// The table.
    #[diesel(sql_type = Text)]
    pub entity: String,
    /// The id of the row.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: Uuid,
    /// The project of the row, if it has one.
    #[diesel(sql_type = diesel::sql_types::Nullable<SqlUuid>)]
    pub project_id: Option<Uuid>,
    /// `insert`, `update` or `delete`.
    #[diesel(sql_type = Text)]
    pub operation: String,
    /// The row before, without secrets and large columns.
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Jsonb>)]
    pub old_values: Option<serde_json::Value>,
}

impl Change {
    /// The position after this change.
    pub fn cursor(&self) -> Cursor {
        Cursor { incarnation: self.incarnation, transaction_id: self.transaction_id, position: self.position }
    }
}

#[derive(QueryableByName)]
struct Position {
    #[diesel(sql_type = BigInt)]
    incarnation: i64,
    #[diesel(sql_type = BigInt)]
    transaction_id: i64,
    #[diesel(sql_type = BigInt)]
    position: i64,
}

impl From<Position> for Cursor {
    fn from(Position { incarnation, transaction_id, position }: Position) -> Self {
        Self { incarnation, transaction_id, position }
    }
}

/// The position before which all transactions have ended and are visible to this transaction's snapshot. Reading the
/// tables after this call and then watching from this position misses no change.
pub async fn head(mut conn: &AsyncPgConnection, schema: &'static str) -> Result<Cursor> {
    let incarnation = incarnation::of(schema);
    let query = sql_query(format!(
        "SELECT {incarnation} AS incarnation, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS transaction_id, \
         9223372036854775807 AS position"
    ));
    Ok(PreparedQuery(query).get_result::<Position>(&mut conn).await?.into())
}

/// The position up to which this log has been trimmed.
pub async fn horizon(mut conn: &AsyncPgConnection, schema: &'static str) -> Result<Cursor> {
    let incarnation = incarnation::of(schema);
    let query = sql_query(format!(
        "SELECT {incarnation} AS incarnation, transaction_id::text::bigint AS transaction_id, position \
         FROM {schema}.change_log_horizon"
    ));
    Ok(PreparedQuery(query).get_result::<Position>(&mut conn).await?.into())
}

/// The next changes of these tables after a position, at most [`BATCH`], in order.
///
/// # Errors
/// `OUT_OF_RANGE` when the log has been trimmed beyond the position, or the position is of another incarnation.
pub async fn read(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    entities: &[&str],
    after: Cursor,
) -> Result<Vec<Change>> {
    after.check_against(horizon(conn, schema).await?)?;
    let incarnation = incarnation::of(schema);
    let query = sql_query(format!(
        "SELECT {incarnation} AS incarnation, transaction_id::text::bigint AS transaction_id, position, entity, entity_id, project_id, operation, \
         old_values FROM {schema}.change_log \
         WHERE (transaction_id, position) > ($1::text::xid8, $2) \
         AND transaction_id < pg_snapshot_xmin(pg_current_snapshot()) AND entity = ANY ($3) \
         ORDER BY change_log.transaction_id, position LIMIT $4"
    ))
    .bind::<BigInt, _>(after.transaction_id)
    .bind::<BigInt, _>(after.position)
    .bind::<Array<Text>, _>(entities)
    .bind::<BigInt, _>(BATCH);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_is_written() {
        let cursor = Cursor { incarnation: 7, transaction_id: 12, position: 34 };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for garbage in ["", "1", "12.34", "a.b.c", "-1.2", "-1.2.3", "1.2.3.4"] {
            assert!(garbage.parse::<Cursor>().is_err(), "{garbage}");
        }
    }
}
