//! Changes with all that the log keeps of them, for feeds and histories.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Cursor, incarnation};
use crate::database::PreparedQuery;
use crate::error::{Error, Result};
use crate::etag::RowVersion;

/// Most changes in a batch.
const MAX_RECORDS: i64 = 500;
/// Most bytes of values in a batch, as JSON; the first change belongs to it whatever its size.
const MAX_BYTES: i64 = 1024 * 1024;

/// One change.
#[derive(Clone, Debug)]
pub struct Record {
    /// The position after the change.
    pub cursor: Cursor,
    /// When the change was made.
    pub changed_at: DateTime<Utc>,
    /// The table.
    pub entity: String,
    /// The id of the row.
    pub entity_id: Uuid,
    /// The project of the row, if it has one.
    pub project_id: Option<Uuid>,
    /// The kind of change.
    pub operation: Operation,
    /// The row before the change, without secrets and large columns.
    pub old_values: Option<Value>,
    /// The row after the change, likewise.
    pub new_values: Option<Value>,
    /// The user on whose behalf it was made; `None` for background work.
    pub actor_id: Option<Uuid>,
    /// The trace of the call that made it.
    pub trace_id: Option<String>,
}

impl Record {
    /// The version of the row that the change left: a row's version is the transaction that wrote it, in 32 bits.
    pub fn row_version(&self) -> RowVersion {
        RowVersion::try_from(self.cursor.transaction_id & i64::from(u32::MAX)).unwrap_or_default()
    }

    /// The row before the change; `INTERNAL` if it does not have this type.
    pub fn before<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>> {
        row_of(self.old_values.as_ref())
    }

    /// The row after the change; `INTERNAL` if it does not have this type.
    pub fn after<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>> {
        row_of(self.new_values.as_ref())
    }

    /// The columns that differ; none for an insert or delete.
    pub fn changed_columns(&self) -> impl Iterator<Item = &str> {
        let both = match (&self.old_values, &self.new_values) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => Some((before, after)),
            _ => None,
        };
        both.into_iter().flat_map(|(before, after)| {
            let differs = |(name, value): &(&String, &Value)| before.get(*name) != Some(value);
            after.iter().filter(differs).map(|(name, _)| name.as_str())
        })
    }
}

/// Reads a row as the log holds it.
pub(super) fn row_of<'a, T: Deserialize<'a>>(values: Option<&'a Value>) -> Result<Option<T>> {
    values.map(T::deserialize).transpose().map_err(Error::internal)
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The row was inserted.
    Insert,
    /// The row was updated.
    Update,
    /// The row was deleted.
    Delete,
}

impl Operation {
    /// Its label in the log.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The operation of a label in the log; `INTERNAL` for an unknown one.
    pub fn from_label(label: &str) -> Result<Self> {
        match label {
            "insert" => Ok(Self::Insert),
            "update" => Ok(Self::Update),
            "delete" => Ok(Self::Delete),
            _ => Err(Error::internal("the change log holds an unknown operation")),
        }
    }
}

/// Which changes to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    /// Those of one project, along the index of projects.
    Project(Uuid),
    /// Those of any of these projects, along the end of the log.
    Projects(&'a [Uuid]),
    /// Those of these tables in all projects, along the end of the log.
    Entities(&'a [&'a str]),
}

/// The next changes after a position.
#[derive(Debug)]
pub(super) struct RecordBatch {
    /// The changes, in order.
    pub(super) records: Vec<Record>,
    /// The position up to which the batch is complete.
    pub(super) upto: Cursor,
    /// Whether more changes may follow at once.
    pub(super) is_partial: bool,
}

/// The range of positions from which a log can be followed.
#[derive(Debug)]
pub(super) struct Bounds {
    /// The position up to which it has been trimmed.
    pub(super) horizon: Cursor,
    /// The position before which all transactions have ended.
    pub(super) head: Cursor,
}

impl Bounds {
    /// `OUT_OF_RANGE` for a position that has been trimmed, and for one ahead of the log: it comes from another
    /// incarnation, as before a restored backup, and nobody knows which changes are missing after it.
    pub(super) fn check(&self, cursor: Cursor) -> Result<()> {
        cursor.check_against(self.horizon)?;
        if cursor > self.head { Err(Error::CursorExpired) } else { Ok(()) }
    }
}

#[derive(Clone, Copy, QueryableByName)]
struct BoundsRow {
    #[diesel(sql_type = BigInt)]
    incarnation: i64,
    #[diesel(sql_type = BigInt)]
    head: i64,
    #[diesel(sql_type = BigInt)]
    horizon_transaction: i64,
    #[diesel(sql_type = BigInt)]
    horizon_position: i64,
}

impl From<BoundsRow> for Bounds {
    fn from(row: BoundsRow) -> Self {
        Self {
            horizon: Cursor {
                incarnation: row.incarnation,
                transaction_id: row.horizon_transaction,
                position: row.horizon_position,
            },
            head: Cursor { incarnation: row.incarnation, transaction_id: row.head, position: i64::MAX },
        }
    }
}

/// The bounds beside a change; without one, beside nothing.
#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(embed)]
    bounds: BoundsRow,
    #[diesel(sql_type = Nullable<BigInt>)]
    found: Option<i64>,
    #[diesel(embed)]
    record: RecordRow,
}

/// A change, or nothing.
#[derive(QueryableByName)]
pub(super) struct RecordRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    transaction_id: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    position: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    changed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    entity: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    entity_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    project_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    operation: Option<String>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    old_values: Option<Value>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    new_values: Option<Value>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    actor_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    trace_id: Option<String>,
}

impl RecordRow {
    /// The change, if there is one; `incarnation` is that of the database.
    pub(super) fn into_record(self, incarnation: i64) -> Result<Option<Record>> {
        let Self { transaction_id: Some(transaction_id), position: Some(position), .. } = self else {
            return Ok(None);
        };
        let (Some(changed_at), Some(entity), Some(entity_id), Some(operation)) =
            (self.changed_at, self.entity, self.entity_id, self.operation)
        else {
            return Ok(None);
        };
        Ok(Some(Record {
            cursor: Cursor { incarnation, transaction_id, position },
            changed_at,
            entity,
            entity_id,
            project_id: self.project_id,
            operation: Operation::from_label(&operation)?,
            old_values: self.old_values,
            new_values: self.new_values,
            actor_id: self.actor_id,
            trace_id: self.trace_id,
        }))
    }
}

pub(super) const COLUMNS: &str = "transaction_id::text::bigint AS transaction_id, position, changed_at, entity, entity_id, \
     project_id, operation, old_values, new_values, actor_id, trace_id";

/// The columns of [`BoundsRow`], of the horizon `h`.
fn bounds_of(schema: &str) -> String {
    let incarnation = incarnation::of(schema);
    format!(
        "{incarnation} AS incarnation, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS head, \
         h.transaction_id::text::bigint AS horizon_transaction, h.position AS horizon_position"
    )
}

/// The bounds of a log.
pub(super) async fn bounds(mut conn: &AsyncPgConnection, schema: &'static str) -> Result<Bounds> {
    let bounds = bounds_of(schema);
    let query = sql_query(format!("SELECT {bounds} FROM {schema}.change_log_horizon h"));
    Ok(PreparedQuery(query).get_result::<BoundsRow>(&mut conn).await?.into())
}

/// The next batch of changes after a position, of ended transactions. One statement, so that changes, horizon and head
/// come from one snapshot.
///
/// # Errors
/// `OUT_OF_RANGE` when the log has been trimmed beyond the position, or the position is of another incarnation.
pub(super) async fn read_batch(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    scope: Scope<'_>,
    after: Cursor,
) -> Result<RecordBatch> {
    let query = sql_query(batch_query(schema, scope))
        .bind::<BigInt, _>(after.transaction_id)
        .bind::<BigInt, _>(after.position);
    let rows: Vec<FoundRow> = match scope {
        Scope::Project(project) => PreparedQuery(query.bind::<SqlUuid, _>(project)).load(&mut conn).await?,
        Scope::Projects(projects) => {
            PreparedQuery(query.bind::<Array<SqlUuid>, _>(projects)).load(&mut conn).await?
        }
        Scope::Entities(entities) => {
            PreparedQuery(query.bind::<Array<Text>, _>(entities)).load(&mut conn).await?
        }
    };
    into_batch(rows, after)
}

fn batch_query(schema: &str, scope: Scope<'_>) -> String {
    let scope_condition = match scope {
        Scope::Project(_) => "project_id = $3",
        Scope::Projects(_) => "project_id = ANY ($3)",
        Scope::Entities(_) => "entity = ANY ($3)",
    };
    let bounds = bounds_of(schema);
    format!(
        "SELECT {bounds}, r.* FROM {schema}.change_log_horizon h LEFT JOIN ( \
         SELECT l.*, count(*) OVER () AS found, coalesce(sum(octet_length(coalesce(old_values::text, '')) \
         + octet_length(coalesce(new_values::text, ''))) OVER (ORDER BY l.transaction_id, l.position \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before FROM ( \
         SELECT {COLUMNS} FROM {schema}.change_log \
         WHERE (change_log.transaction_id, position) > ($1::text::xid8, $2) \
         AND change_log.transaction_id < pg_snapshot_xmin(pg_current_snapshot()) AND {scope_condition} \
         ORDER BY change_log.transaction_id, position LIMIT {MAX_RECORDS}) l \
         ) r ON r.bytes_before < {MAX_BYTES} ORDER BY r.transaction_id, r.position"
    )
}

fn into_batch(rows: Vec<FoundRow>, after: Cursor) -> Result<RecordBatch> {
    let Some(first) = rows.as_slice().first() else {
        return Err(Error::internal("a change log has no horizon"));
    };
    let in_log = first.found.unwrap_or_default();
    let bounds = Bounds::from(first.bounds);
    after.check_against(bounds.horizon)?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        records.extend(row.record.into_record(bounds.head.incarnation)?);
    }
    let is_partial =
        in_log >= MAX_RECORDS || usize::try_from(in_log).is_ok_and(|in_log| in_log > records.len());
    let last = records.last().map_or(after, |record| record.cursor);
    let upto = if is_partial { last } else { last.max(bounds.head) };
    Ok(RecordBatch { records, upto, is_partial })
}
