//! Histories, newest change first, and rows as they were at a point in time.
//!
//! A row at a point in time is the old row of its first change after that time, or the present row if there is no such
//! change. So only the changes since that time must be kept, however old the row is. Reads of a recent time wait for the
//! transactions that were writing then, so that a repeated read answers the same. Row-level security of the caller's role
//! decides what they see of the log.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::Cursor;
use super::records::{COLUMNS, Operation, Record, RecordRow, row_of};
use super::wait_for_writers::wait_for_writers;
use crate::database::PreparedQuery;
use crate::error::{Error, Result};
use crate::validation::TimeRange;

/// Which changes of a project to find.
#[derive(Clone, Debug)]
pub struct HistoryFilter<'a> {
    /// The tables.
    pub entities: Vec<&'a str>,
    /// The user who made the change; any user if not set.
    pub actor_id: Option<Uuid>,
    /// The kinds of change; all if empty.
    pub operations: Vec<Operation>,
    /// When the change was made.
    pub changed_at: TimeRange,
}

/// Most bytes of values in a bounded read, as JSON. The first two rows belong to it whatever their size.
const MAX_BOUNDED_BYTES: i64 = 2 * 1024 * 1024;

/// Rows that were read up to a number of bytes.
#[derive(Debug)]
pub struct TruncatedRows<T> {
    /// The first rows.
    pub rows: Vec<T>,
    /// Whether there were more rows than these within the limit of the query.
    pub is_partial: bool,
}

#[derive(QueryableByName)]
struct BoundedRecordRow {
    #[diesel(embed)]
    record: RecordRow,
    #[diesel(sql_type = BigInt)]
    found: i64,
}

/// The changes of one row (table and id) in a range of time and before a position, newest first, at most so many; fewer
/// if their values would not fit into a response.
pub async fn bounded_history(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    (entity, entity_id): (&str, Uuid),
    changed_at: TimeRange,
    before: Option<i64>,
    at_most: i64,
) -> Result<TruncatedRows<Record>> {
    let query = sql_query(format!(
        "SELECT * FROM (SELECT l.*, count(*) OVER () AS found, row_number() OVER w AS place, \
             sum(octet_length(coalesce(old_values::text, '')) + octet_length(coalesce(new_values::text, ''))) \
                 OVER w AS bytes \
             FROM (SELECT {COLUMNS} FROM {schema}.change_log \
                 WHERE entity = $1 AND entity_id = $2 AND position < $3 \
                 AND ($4 IS NULL OR changed_at >= $4) AND ($5 IS NULL OR changed_at < $5) \
                 ORDER BY position DESC LIMIT $6) l WINDOW w AS (ORDER BY l.position DESC)) b \
         WHERE place <= 2 OR bytes <= {MAX_BOUNDED_BYTES} ORDER BY position DESC"
    ))
    .bind::<Text, _>(entity)
    .bind::<SqlUuid, _>(entity_id)
    .bind::<BigInt, _>(before.unwrap_or(i64::MAX))
    .bind::<Nullable<Timestamptz>, _>(changed_at.start)
    .bind::<Nullable<Timestamptz>, _>(changed_at.end)
    .bind::<BigInt, _>(at_most);
    let rows: Vec<BoundedRecordRow> = PreparedQuery(query).load(&mut conn).await?;
    let found = rows.as_slice().first().map_or(0, |row: &BoundedRecordRow| row.found);
    let is_partial = usize::try_from(found).is_ok_and(|found| found > rows.len());
    let rows = records_of(rows.into_iter().map(|row| row.record).collect())?;
    Ok(TruncatedRows { rows, is_partial })
}

/// A page of a project's history ends with the change that makes it this large, in bytes of JSON text: in a message, a
/// Struct takes up to four times as many.
const MAX_PAGE_BYTES: i64 = 512 * 1024;

/// A change with the bytes of all that come before it on a page.
#[derive(QueryableByName)]
struct PageRow {
    #[diesel(embed)]
    record: RecordRow,
    #[diesel(sql_type = BigInt)]
    bytes_before: i64,
}

/// A page of at most `size` changes of a project before a position, newest first, plus one if there is a next page, and
/// the size of the page: it ends early by [`MAX_PAGE_BYTES`].
///
/// # Errors
/// Those of the database.
pub async fn project_history(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    project_id: Uuid,
    filter: &HistoryFilter<'_>,
    before: Option<Cursor>,
    size: i64,
) -> Result<(Vec<Record>, i64)> {
    let operations: Vec<_> = filter.operations.iter().map(|operation| operation.label()).collect();
    let before = before.unwrap_or(Cursor {
        incarnation: NO_INCARNATION,
        transaction_id: i64::MAX,
        position: i64::MAX,
    });
    let bytes_before = |rows: u8| {
        format!(
            "coalesce(sum(octet_length(coalesce(old_values::text, '')) + octet_length(coalesce(new_values::text, ''))) \
             OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND {rows} PRECEDING), 0)::bigint"
        )
    };
    let query = sql_query(format!(
        "SELECT * FROM (SELECT listed.*, {} AS bytes_before, {} AS bytes_before_previous FROM ( \
         SELECT {COLUMNS} FROM {schema}.change_log WHERE project_id = $1 AND entity = ANY ($2) \
         AND (change_log.transaction_id, position) < ($3::text::xid8, $4) \
         AND ($5 IS NULL OR actor_id = $5) \
         AND ($6 IS NULL OR changed_at >= $6) AND ($7 IS NULL OR changed_at < $7) \
         AND (cardinality($8) = 0 OR operation = ANY ($8)) \
         ORDER BY change_log.transaction_id DESC, position DESC LIMIT $9 \
         ) listed) sized WHERE bytes_before_previous < {MAX_PAGE_BYTES}",
        bytes_before(1),
        bytes_before(2)
    ))
    .bind::<SqlUuid, _>(project_id)
    .bind::<Array<Text>, _>(&filter.entities)
    .bind::<BigInt, _>(before.transaction_id)
    .bind::<BigInt, _>(before.position)
    .bind::<Nullable<SqlUuid>, _>(filter.actor_id)
    .bind::<Nullable<Timestamptz>, _>(filter.changed_at.start)
    .bind::<Nullable<Timestamptz>, _>(filter.changed_at.end)
    .bind::<Array<Text>, _>(operations)
    .bind::<BigInt, _>(size + 1);
    let rows: Vec<PageRow> = PreparedQuery(query).load(&mut conn).await?;
    let fitting = rows.iter().take_while(|row| row.bytes_before < MAX_PAGE_BYTES).count();
    let records = records_of(rows.into_iter().map(|row| row.record).collect())?;
    Ok((records, size.min(i64::try_from(fitting).unwrap_or(size))))
}

/// A position in a history is never followed, so its incarnation does not matter.
const NO_INCARNATION: i64 = 0;

fn records_of(rows: Vec<RecordRow>) -> Result<Vec<Record>> {
    rows.into_iter().filter_map(|row| row.into_record(NO_INCARNATION).transpose()).collect()
}

/// A row as it was, if there was one, and whether the log reaches back to that time.
#[derive(QueryableByName)]
struct PastRow {
    #[diesel(sql_type = Bool)]
    is_kept: bool,
    #[diesel(sql_type = Nullable<Jsonb>)]
    was: Option<Value>,
}

/// A row of a table as it was, or `None` if there was none. One statement, so that log and table are of one snapshot.
///
/// # Errors
/// `OUT_OF_RANGE` when the log does not reach back to that time; `UNAVAILABLE` when a writer of that time takes long.
pub async fn row_at<T: DeserializeOwned>(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    table: &'static str,
    id: Uuid,
    at: DateTime<Utc>,
) -> Result<Option<T>> {
    wait_for_writers(conn, at).await?;
    let query = sql_query(format!(
        "WITH next AS (SELECT old_values FROM {schema}.change_log \
         WHERE entity = '{table}' AND entity_id = $1 AND changed_at > $2 ORDER BY position LIMIT 1) \
         SELECT coalesce(h.changed_at <= $2, TRUE) AS is_kept, CASE WHEN EXISTS (SELECT 1 FROM next) \
         THEN (SELECT old_values FROM next) \
         ELSE (SELECT to_jsonb(t) FROM {schema}.{table} t WHERE t.id = $1) END AS was \
         FROM {schema}.change_log_horizon h"
    ))
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(at);
    Ok(rows_of(&PreparedQuery(query).load(&mut conn).await?)?.pop())
}

/// The table expression `past`, for [`rows_at`] and [`bounded_rows_at`]: the rows of the project `$1` at the time `$2`
/// with ids after `$3`.
fn past_rows(schema: &str, table: &str) -> String {
    format!(
        "next AS (SELECT DISTINCT ON (entity_id) entity_id, old_values FROM {schema}.change_log \
         WHERE project_id = $1 AND entity = '{table}' AND changed_at > $2 AND entity_id > $3 \
         ORDER BY entity_id, position), \
         past AS ( \
         SELECT entity_id AS id, old_values AS was FROM next WHERE old_values IS NOT NULL \
         UNION ALL SELECT t.id, to_jsonb(t) FROM {schema}.{table} t \
         WHERE t.project_id = $1 AND t.id > $3 AND NOT EXISTS (SELECT 1 FROM next n WHERE n.entity_id = t.id))"
    )
}

/// The rows of a project in a table as they were, those with ids after this one, by id, at most so many.
///
/// # Errors
/// `OUT_OF_RANGE` when the log does not reach back to that time; `UNAVAILABLE` when a writer of that time takes long.
pub async fn rows_at<T: DeserializeOwned>(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    table: &'static str,
    (project_id, at): (Uuid, DateTime<Utc>),
    after: Uuid,
    at_most: i64,
) -> Result<Vec<T>> {
    wait_for_writers(conn, at).await?;
    let query = sql_query(format!(
        "WITH {} \
         SELECT coalesce(h.changed_at <= $2, TRUE) AS is_kept, p.was FROM {schema}.change_log_horizon h \
         LEFT JOIN (SELECT * FROM past ORDER BY id LIMIT $4) p ON TRUE ORDER BY p.id",
        past_rows(schema, table)
    ))
    .bind::<SqlUuid, _>(project_id)
    .bind::<Timestamptz, _>(at)
    .bind::<SqlUuid, _>(after)
    .bind::<BigInt, _>(at_most);
    rows_of(&PreparedQuery(query).load(&mut conn).await?)
}

/// As [`PastRow`], with the number of rows within the limit of the query.
#[derive(QueryableByName)]
struct BoundedPastRow {
    #[diesel(embed)]
    past: PastRow,
    #[diesel(sql_type = Nullable<BigInt>)]
    found: Option<i64>,
}

/// As [`rows_at`], and ends early when the rows become too large for a response.
///
/// # Errors
/// `OUT_OF_RANGE` when the log does not reach back to that time; `UNAVAILABLE` when a writer of that time takes long.
pub async fn bounded_rows_at<T: DeserializeOwned>(
    mut conn: &AsyncPgConnection,
    schema: &'static str,
    table: &'static str,
    (project_id, at): (Uuid, DateTime<Utc>),
    after: Uuid,
    at_most: i64,
) -> Result<TruncatedRows<T>> {
    wait_for_writers(conn, at).await?;
    let query = sql_query(format!(
        "WITH {}, \
         bounded AS (SELECT f.*, count(*) OVER () AS found, row_number() OVER w AS place, \
         sum(octet_length(f.was::text)) OVER w AS bytes \
         FROM (SELECT * FROM past ORDER BY id LIMIT $4) f WINDOW w AS (ORDER BY f.id)) \
         SELECT coalesce(h.changed_at <= $2, TRUE) AS is_kept, b.was, b.found \
         FROM {schema}.change_log_horizon h \
         LEFT JOIN bounded b ON b.place <= 2 OR b.bytes <= {MAX_BOUNDED_BYTES} ORDER BY b.id",
        past_rows(schema, table)
    ))
    .bind::<SqlUuid, _>(project_id)
    .bind::<Timestamptz, _>(at)
    .bind::<SqlUuid, _>(after)
    .bind::<BigInt, _>(at_most);
    let rows: Vec<BoundedPastRow> = PreparedQuery(query).load(&mut conn).await?;
    let found = rows.as_slice().first().and_then(|row| row.found).unwrap_or_default();
    let is_partial = usize::try_from(found).is_ok_and(|found| found > rows.len());
    let rows: Vec<PastRow> = rows.into_iter().map(|row| row.past).collect();
    let rows = rows_of(&rows)?;
    Ok(TruncatedRows { rows, is_partial })
}

fn rows_of<T: DeserializeOwned>(rows: &[PastRow]) -> Result<Vec<T>> {
    if rows.iter().any(|row| !row.is_kept) {
        return Err(Error::CursorExpired);
    }
    rows.iter().filter_map(|row| row_of(row.was.as_ref()).transpose()).collect()
}
