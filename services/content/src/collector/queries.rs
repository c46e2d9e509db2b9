//! SQL of the collector, under the worker role.

use std::collections::HashSet;

use crate::schema::stored_parts;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Integer, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
use shared::error::Result;
use uuid::Uuid;

/// Rows and objects that one step deals with at most.
const BATCH: i32 = 500;

/// Notes that attachments of these blobs were deleted. Always in the same order, so that replicas do not wait for each
/// other in a circle.
pub(super) async fn release(mut conn: &AsyncPgConnection, blobs: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    let query = sql_query(
        "UPDATE content.blobs SET released_at = $2 WHERE id IN \
         (SELECT id FROM content.blobs WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE)",
    )
    .bind::<Array<SqlUuid>, _>(blobs)
    .bind::<Timestamptz, _>(now);
    Prepared(query).execute(&mut conn).await?;
    Ok(())
}

/// Notes all blobs without an attachment.
pub(super) async fn release_unreferenced(mut conn: &AsyncPgConnection, now: DateTime<Utc>) -> Result<()> {
    let query = sql_query(
        "UPDATE content.blobs SET released_at = $1 WHERE id IN (SELECT b.id FROM content.blobs b \
         WHERE b.released_at IS NULL AND NOT EXISTS (SELECT 1 FROM content.file_attachments f WHERE f.blob_id = b.id) \
         ORDER BY b.id FOR NO KEY UPDATE)",
    )
    .bind::<Timestamptz, _>(now);
    Prepared(query).execute(&mut conn).await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Collected {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Ends what is over and makes garbage of what nothing refers to; how many rows that were.
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
        .bind::<Integer, _>(BATCH);
    let collected: Collected = Prepared(query).get_result(&mut conn).await?;
    Ok(collected.count)
}

/// An object that is to go.
#[derive(Queryable)]
pub(super) struct Garbage {
    pub(super) id: Uuid,
    pub(super) path: String,
}

/// Objects that may be deleted now. Of those that are not known to be written, only the ones that have not been on
/// their way since before this time.
pub(super) async fn garbage(
    mut conn: &AsyncPgConnection,
    settled_before: DateTime<Utc>,
) -> Result<Vec<Garbage>> {
    let query = stored_parts::table
        .filter(stored_parts::state.eq("garbage"))
        .filter(stored_parts::size.gt(0).or(stored_parts::changed_at.lt(settled_before)))
        .order(stored_parts::changed_at)
        .limit(BATCH.into())
        .select((stored_parts::id, stored_parts::path));
    Ok(query.load(&mut conn).await?)
}

/// Forgets objects that are deleted.
pub(super) async fn forget_parts(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<()> {
    diesel::delete(stored_parts::table.filter(stored_parts::id.eq_any(ids))).execute(&mut conn).await?;
    Ok(())
}

/// Which of these objects have a row.
pub(super) async fn known_paths(mut conn: &AsyncPgConnection, paths: &[String]) -> Result<HashSet<String>> {
    let query = stored_parts::table.filter(stored_parts::path.eq_any(paths)).select(stored_parts::path);
    let known: Vec<String> = query.load(&mut conn).await?;
    Ok(known.into_iter().collect())
}
