//! SQL of attachments. Row-level security limits it to projects that the caller may read.

use std::ops::Range;

use crate::schema::file_attachments;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{PreparedQuery, Transaction};
use shared::error::{Error, Result};
use shared::page::AfterTime;
use uuid::Uuid;

use super::{Attachment, AttachmentChange};
use crate::storage::ObjectRange;
use crate::targets::ContentTarget;

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Attachment>> {
    let found = file_attachments::table.find(id).select(Attachment::as_select()).first(&mut conn).await;
    Ok(found.optional()?)
}

pub(crate) async fn exists(mut conn: &AsyncPgConnection, id: Uuid) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(file_attachments::table.find(id))).get_result(&mut conn).await?)
}

/// Where these bytes of an attachment are stored.
pub(crate) async fn find_ranges(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    range: Range<i64>,
) -> Result<Vec<ObjectRange>> {
    let query = sql_query(
        "SELECT p.path, p.position, p.size FROM content.stored_parts p \
         JOIN content.file_attachments f ON f.blob_id = p.blob_id \
         WHERE f.id = $1 AND p.position < $3 AND p.position + p.size > $2 ORDER BY p.position",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(range.start)
    .bind::<BigInt, _>(range.end);
    let parts: Vec<Part> = PreparedQuery(query).load(&mut conn).await?;
    Ok(parts.into_iter().map(|part| part.intersect(&range)).collect())
}

/// Where the bytes with this hash are stored; empty if they are not.
pub(crate) async fn find_blob_ranges(mut conn: &AsyncPgConnection, sha256: &str) -> Result<Vec<ObjectRange>> {
    let query = sql_query(
        "SELECT p.path, p.position, p.size FROM content.stored_parts p \
         JOIN content.blobs b ON b.id = p.blob_id WHERE b.sha256 = $1 ORDER BY p.position",
    )
    .bind::<Text, _>(sha256);
    let parts: Vec<Part> = PreparedQuery(query).load(&mut conn).await?;
    Ok(parts.into_iter().map(|part| part.intersect(&(0..i64::MAX))).collect())
}

#[derive(QueryableByName)]
struct Part {
    #[diesel(sql_type = Text)]
    path: String,
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = BigInt)]
    size: i64,
}

impl Part {
    /// The part of a range of the file that is in this object.
    fn intersect(self, range: &Range<i64>) -> ObjectRange {
        let in_part = |in_file: i64| in_file.saturating_sub(self.position).clamp(0, self.size).unsigned_abs();
        ObjectRange { path: self.path.clone(), range: in_part(range.start)..in_part(range.end) }
    }
}

/// One page, newest first, and one more row if there is another page.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    target: ContentTarget,
    after: Option<AfterTime>,
    size: i64,
) -> Result<Vec<Attachment>> {
    let mut query = file_attachments::table
        .filter(file_attachments::entity_type.eq(target.entity_type))
        .filter(file_attachments::entity_id.eq(target.id))
        .select(Attachment::as_select())
        .order((file_attachments::created_at.desc(), file_attachments::id.desc()))
        .limit(size + 1)
        .into_boxed::<Pg>();
    if let Some(AfterTime { at, id }) = after {
        query = query.filter(
            sql::<Bool>("(file_attachments.created_at, file_attachments.id) < (")
                .bind::<Timestamptz, _>(at)
                .sql(", ")
                .bind::<SqlUuid, _>(id)
                .sql(")"),
        );
    }
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Attachment>> {
    let query = file_attachments::table.find(id).select(Attachment::as_select()).for_no_key_update();
    Ok(query.first(&mut conn).await.optional()?)
}

/// Updates a locked attachment, and commits.
pub(crate) async fn update(
    tx: Transaction,
    _: &ProjectAccess,
    id: Uuid,
    change: &AttachmentChange,
) -> Result<Attachment> {
    let query =
        diesel::update(file_attachments::table.find(id)).set(change).returning(Attachment::as_returning());
    let rows: Vec<Attachment> = tx.commit_with(PreparedQuery(query)).await?;
    rows.into_iter().next().ok_or_else(|| Error::not_found("attachment", id))
}

/// Deletes an attachment, and commits. The collector deletes its bytes.
pub(crate) async fn delete(tx: Transaction, _: &ProjectAccess, id: Uuid) -> Result<()> {
    let query = diesel::delete(file_attachments::table.find(id)).returning(file_attachments::id);
    let rows: Vec<Uuid> = tx.commit_with(query).await?;
    if rows.is_empty() { Err(Error::not_found("attachment", id)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_a_file_is_a_range_of_each_part() {
        let part = |position, size| Part { path: String::new(), position, size };
        assert_eq!(part(0, 10).intersect(&(0..i64::MAX)).range, 0..10);
        assert_eq!(part(10, 10).intersect(&(5..15)).range, 0..5);
        assert_eq!(part(10, 10).intersect(&(12..40)).range, 2..10);
    }
}
