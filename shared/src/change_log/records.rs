//! Changes with all that the log keeps of them, as feeds and histories tell them.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Cursor, incarnation};
use crate::database::Prepared;
use crate::error::{Error, Result};
use crate::etag::RowVersion;

/// Most changes that one look finds.
const MAX_RECORDS: i64 = 500;
/// Most bytes of values, as JSON, that one look finds; the first change is found whatever its size.
const MAX_BYTES: i64 = 1024 * 1024;

/// One change.
#[derive(Clone, Debug)]
pub struct Record {
    /// The position after it.
    pub cursor: Cursor,
    /// When it was made.
    pub changed_at: DateTime<Utc>,
    /// Table.
    pub entity: String,
    /// Row.
    pub entity_id: Uuid,
    /// Project of the row, where it has one.
    pub project_id: Option<Uuid>,
    /// What became of the row.
    pub operation: Operation,
    /// The row before, without secrets and large columns.
    pub old_values: Option<Value>,
    /// The row after, likewise.
    pub new_values: Option<Value>,
    /// On whose behalf; `None` for background work.
    pub actor_id: Option<Uuid>,
    /// In which trace.
    pub trace_id: Option<String>,
}

impl Record {
    /// The version of the row that the change left: a row's version is the transaction that wrote it, in 32 bits.
    pub fn row_version(&self) -> RowVersion {
        RowVersion::try_from(self.cursor.transaction_id & i64::from(u32::MAX)).unwrap_or_default()
    }

    /// The row before.
    ///
    /// # Errors
    /// `INTERNAL` for values that are none of this type.
    pub fn before<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>> {
        row_of(self.old_values.as_ref())
    }

    /// The row after.
    ///
    /// # Errors
    /// `INTERNAL` for values that are none of this type.
    pub fn after<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>> {
        row_of(self.new_values.as_ref())
    }

    /// The columns that differ, when there was a row before and after.
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

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It was made.
    Insert,
    /// It was changed.
    Update,
    /// It was deleted.
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

    /// The operation of a label in the log.
    ///
    /// # Errors
    /// `INTERNAL` for an unknown one.
    pub fn from_label(label: &str) -> Result<Self> {
        match label {
            "insert" => Ok(Self::Insert),
            "update" => Ok(Self::Update),
            "delete" => Ok(Self::Delete),
            _ => Err(Error::internal("the change log holds an unknown operation")),
        }
    }
}

/// Whose changes to look for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    /// Those of one project: a walk along the index of projects.
    Project(Uuid),
    /// Those of any of these projects: a walk along the end of the log.
    Projects(&'a [Uuid]),
}

/// What one look found.
#[derive(Debug)]
pub(super) struct Look {
    /// The changes, in order.
    pub(super) records: Vec<Record>,
    /// Up to where the look was complete.
    pub(super) upto: Cursor,
    /// Whether there may be more than was found.
    pub(super) is_partial: bool,
}

/// From where to where a log can be followed.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Up to where it has been trimmed.
    pub(super) horizon: Cursor,
    /// Before which everything is settled.
    pub(super) head: Cursor,
}

impl Bounds {
    /// Refuses a position that has been trimmed, and one that lies ahead: it comes from another life of the
    /// database, as before a restored backup, and what it misses is unknown.
    pub(super) fn check(&self, cursor: Cursor) -> Result<()> {
        cursor.check_against(self.horizon)?;
        if cursor > self.head { Err(Error::CursorExpired) } else { Ok(()) }
    }
}

#[derive(Clone, Copy, QueryableByName)]
struct BoundsRow {
    #[diesel(sql_type = BigInt)]
    life: i64,
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
                life: row.life,
                transaction_id: row.horizon_transaction,
                position: row.horizon_position,
            },
            head: Cursor { life: row.life, transaction_id: row.head, position: i64::MAX },
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
    /// The change, if there is one; `life` is that of the database.
    pub(super) fn into_record(self, life: i64) -> Result<Option<Record>> {
        let Self { transaction_id: Some(transaction_id), position: Some(position), .. } = self else {
            return Ok(None);
        };
        let (Some(changed_at), Some(entity), Some(entity_id), Some(operation)) =
            (self.changed_at, self.entity, self.entity_id, self.operation)
        else {
            return Ok(None);
        };
        Ok(Some(Record {
            cursor: Cursor { life, transaction_id, position },
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
    let life = incarnation::of(schema);
    format!(
        "{life} AS life, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS head, \
         h.transaction_id::text::bigint AS horizon_transaction, h.position AS horizon_position"
    )
}

/// The bounds of a log.
pub(super) async fn bounds(mut conn: &AsyncPgConnection, schema: &'static str) -> Result<Bounds> {
    let bounds = bounds_of(schema);
    let query = sql_query(format!("SELECT {bounds} FROM {schema}.change_log_horizon h"));
    Ok(Prepared(query).get_result::<BoundsRow>(&mut conn).await?.into())
}

/// The next settled changes after a position. One statement, so that changes, horizon and head are of one
/// snapshot: nothing falls between them.
///
/// # Errors
/// `OUT_OF_RANGE` when the log has been trimmed beyond the position, or the position is of another life.
pub(super) async fn look(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    scope: Scope<'_>,
    after: Cursor,
) -> Result<Look> {
    let query = sql_query(look_query(schema, scope))
        .bind::<BigInt, _>(after.transaction_id)
        .bind::<BigInt, _>(after.position);
    let rows: Vec<FoundRow> = match scope {
        Scope::Project(project) => Prepared(query.bind::<SqlUuid, _>(project)).load(&mut conn).await?,
        Scope::Projects(projects) => {
            Prepared(query.bind::<Array<SqlUuid>, _>(projects)).load(&mut conn).await?
        }
    };
    found(rows, after)
}

fn look_query(schema: &str, scope: Scope<'_>) -> String {
    let of_scope = match scope {
        Scope::Project(_) => "project_id = $3",
        Scope::Projects(_) => "project_id = ANY ($3)",
    };
    let bounds = bounds_of(schema);
    format!(
        "SELECT {bounds}, r.* FROM {schema}.change_log_horizon h LEFT JOIN ( \
         SELECT l.*, count(*) OVER () AS found, coalesce(sum(octet_length(coalesce(old_values::text, '')) \
         + octet_length(coalesce(new_values::text, ''))) OVER (ORDER BY l.transaction_id, l.position \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before FROM ( \
         SELECT {COLUMNS} FROM {schema}.change_log \
         WHERE (change_log.transaction_id, position) > ($1::text::xid8, $2) \
         AND change_log.transaction_id < pg_snapshot_xmin(pg_current_snapshot()) AND {of_scope} \
         ORDER BY change_log.transaction_id, position LIMIT {MAX_RECORDS}) l \
         ) r ON r.bytes_before < {MAX_BYTES} ORDER BY r.transaction_id, r.position"
    )
}

fn found(rows: Vec<FoundRow>, after: Cursor) -> Result<Look> {
    let Some(first) = rows.as_slice().first() else {
        return Err(Error::internal("a change log has no horizon"));
    };
    let in_log = first.found.unwrap_or_default();
    let bounds = Bounds::from(first.bounds);
    after.check_against(bounds.horizon)?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        records.extend(row.record.into_record(bounds.head.life)?);
    }
    let is_partial =
        in_log >= MAX_RECORDS || usize::try_from(in_log).is_ok_and(|in_log| in_log > records.len());
    let last = records.last().map_or(after, |record| record.cursor);
    let upto = if is_partial { last } else { last.max(bounds.head) };
    Ok(Look { records, upto, is_partial })
}
