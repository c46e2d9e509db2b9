//! SQL of attachments. Row-level security shows those of projects that the caller may read.

use std::ops::Range;

use crate::schema::file_attachments;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Prepared, Transaction};
use shared::error::{Error, Result};
use shared::page::AfterTime;
use uuid::Uuid;

use super::{Attachment, Entity, EntityType};
use crate::storage::Piece;

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Attachment>> {
    let found = file_attachments::table.find(id).select(Attachment::as_select()).first(&mut conn).await;
    Ok(found.optional()?)
}

pub(crate) async fn exists(mut conn: &AsyncPgConnection, id: Uuid) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(file_attachments::table.find(id))).get_result(&mut conn).await?)
}

/// The pieces of the store that hold these bytes of an attachment.
pub(crate) async fn pieces(mut conn: &AsyncPgConnection, id: Uuid, range: Range<i64>) -> Result<Vec<Piece>> {
    let query = sql_query(
        "SELECT p.path, p.position, p.size FROM content.stored_parts p \
         JOIN content.file_attachments f ON f.blob_id = p.blob_id \
         WHERE f.id = $1 AND p.position < $3 AND p.position + p.size > $2 ORDER BY p.position",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(range.start)
    .bind::<BigInt, _>(range.end);
    let parts: Vec<Part> = Prepared(query).load(&mut conn).await?;
    Ok(parts.into_iter().map(|part| part.within(&range)).collect())
}

/// The pieces of the store that hold the bytes with this hash; none if there are no such bytes.
pub(crate) async fn pieces_of_hash(mut conn: &AsyncPgConnection, sha256: &str) -> Result<Vec<Piece>> {
    let query = sql_query(
        "SELECT p.path, p.position, p.size FROM content.stored_parts p \
         JOIN content.blobs b ON b.id = p.blob_id WHERE b.sha256 = $1 ORDER BY p.position",
    )
    .bind::<Text, _>(sha256);
    let parts: Vec<Part> = Prepared(query).load(&mut conn).await?;
    Ok(parts.into_iter().map(|part| part.within(&(0..i64::MAX))).collect())
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
    /// What of it lies in this range of the file.
    fn within(self, range: &Range<i64>) -> Piece {
        let of_part = |of_file: i64| of_file.saturating_sub(self.position).clamp(0, self.size).unsigned_abs();
        Piece { path: self.path.clone(), range: of_part(range.start)..of_part(range.end) }
    }
}

/// One page, newest first, with one row too many if there are more.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    entity: Entity,
    after: Option<AfterTime>,
    size: i64,
) -> Result<Vec<Attachment>> {
    let mut query = file_attachments::table
        .filter(file_attachments::entity_type.eq(entity.kind))
        .filter(file_attachments::entity_id.eq(entity.id))
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
    Ok(Prepared(query).load(&mut conn).await?)
}

/// Deletes an attachment, and commits; its file follows.
pub(crate) async fn delete(tx: Transaction, _: &ProjectAccess, id: Uuid) -> Result<()> {
    let query = diesel::delete(file_attachments::table.find(id)).returning(file_attachments::id);
    let rows: Vec<Uuid> = tx.commit_with(query).await?;
    if rows.is_empty() { Err(Error::not_found("attachment", id)) } else { Ok(()) }
}

/// Deletes the attachments of tasks that are gone.
pub(crate) async fn delete_of_tasks(mut conn: &AsyncPgConnection, tasks: &[Uuid]) -> Result<usize> {
    let of_tasks = file_attachments::table
        .filter(file_attachments::entity_type.eq(EntityType::Task))
        .filter(file_attachments::entity_id.eq_any(tasks));
    Ok(diesel::delete(of_tasks).execute(&mut conn).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_a_file_is_a_range_of_each_part() {
        let part = |position, size| Part { path: String::new(), position, size };
        assert_eq!(part(0, 10).within(&(0..i64::MAX)).range, 0..10);
        assert_eq!(part(10, 10).within(&(5..15)).range, 0..5);
        assert_eq!(part(10, 10).within(&(12..40)).range, 2..10);
    }
}
