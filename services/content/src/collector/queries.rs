//! SQL of the collector, under the worker role.

use std::collections::HashSet;

use crate::schema::stored_parts;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Integer, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::PreparedQuery;
use shared::error::Result;
use uuid::Uuid;

/// Most rows and objects in one step.
const BATCH_SIZE: i32 = 500;

/// Records that attachments of these blobs were deleted. Locks in the order of ids, so that replicas do not deadlock.
pub(super) async fn release(mut conn: &AsyncPgConnection, blobs: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    let query = sql_query(
        "UPDATE content.blobs SET released_at = $2 WHERE id IN \
         (SELECT id FROM content.blobs WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE)",
    )
    .bind::<Array<SqlUuid>, _>(blobs)
    .bind::<Timestamptz, _>(now);
    PreparedQuery(query).execute(&mut conn).await?;
    Ok(())
}

/// Records all blobs without an attachment.
pub(super) async fn release_unreferenced(mut conn: &AsyncPgConnection, now: DateTime<Utc>) -> Result<()> {
    let query = sql_query(
        "UPDATE content.blobs SET released_at = $1 WHERE id IN (SELECT b.id FROM content.blobs b \
         WHERE b.released_at IS NULL AND NOT EXISTS (SELECT 1 FROM content.file_attachments f WHERE f.blob_id = b.id) \
         ORDER BY b.id FOR NO KEY UPDATE)",
    )
    .bind::<Timestamptz, _>(now);
    PreparedQuery(query).execute(&mut conn).await?;
    Ok(())
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Expires uploads and marks garbage; returns how many rows it handled.
pub(super) async fn collect_garbage(
    mut conn: &AsyncPgConnection,
    now: DateTime<Utc>,
    released_before: DateTime<Utc>,
    closed_before: DateTime<Utc>,
) -> Result<i64> {
    let query = sql_query("SELECT content.collect_garbage($1, $2, $3, $4) AS count")
        .bind::<Timestamptz, _>(now)
        .bind::<Timestamptz, _>(released_before)
        .bind::<Timestamptz, _>(closed_before)
        .bind::<Integer, _>(BATCH_SIZE);
    let row: CountRow = PreparedQuery(query).get_result(&mut conn).await?;
    Ok(row.count)
}

#[derive(Queryable)]
pub(super) struct Garbage {
    pub(super) id: Uuid,
    pub(super) path: String,
}

/// Objects to delete. Those whose write was not confirmed wait until they were registered before this time.
pub(super) async fn garbage(
    mut conn: &AsyncPgConnection,
    pending_before: DateTime<Utc>,
) -> Result<Vec<Garbage>> {
    let query = stored_parts::table
        .filter(stored_parts::state.eq("garbage"))
        .filter(stored_parts::size.gt(0).or(stored_parts::changed_at.lt(pending_before)))
        .order(stored_parts::changed_at)
        .limit(BATCH_SIZE.into())
        .select((stored_parts::id, stored_parts::path));
    Ok(query.load(&mut conn).await?)
}

pub(super) async fn delete_parts(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<()> {
    diesel::delete(stored_parts::table.filter(stored_parts::id.eq_any(ids))).execute(&mut conn).await?;
    Ok(())
}

pub(super) async fn known_paths(mut conn: &AsyncPgConnection, paths: &[String]) -> Result<HashSet<String>> {
    let query = stored_parts::table.filter(stored_parts::path.eq_any(paths)).select(stored_parts::path);
    let known: Vec<String> = query.load(&mut conn).await?;
    Ok(known.into_iter().collect())
}
