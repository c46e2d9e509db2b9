//! SQL of uploads. Row-level security shows members their own.

use crate::schema::{stored_parts, uploads};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Prepared, Transaction, explain};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::{Upload, UploadState};
use crate::CONSTRAINTS;
use crate::attachments::Attachment;

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Upload>> {
    let found = uploads::table.find(id).select(Upload::as_select()).first(&mut conn).await;
    Ok(found.optional()?)
}

/// How many open uploads a user has.
pub(crate) async fn count_open(
    mut conn: &AsyncPgConnection,
    uploader_id: Uuid,
    now: DateTime<Utc>,
) -> Result<i64> {
    let open = uploads::table
        .filter(uploads::uploader_id.eq(uploader_id))
        .filter(uploads::state.eq(UploadState::Open))
        .filter(uploads::expires_at.gt(now));
    Ok(open.count().get_result(&mut conn).await?)
}

/// Stores a new upload, and commits.
pub(crate) async fn insert(tx: Transaction, upload: &Upload) -> Result<Upload> {
    let query = diesel::insert_into(uploads::table).values(upload).returning(Upload::as_returning());
    let rows: Vec<Upload> = tx.commit_with(query).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::internal("an inserted upload was not returned"))
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    is_done: bool,
}

fn is_done(answers: Vec<Answer>) -> bool {
    answers.into_iter().any(|answer| answer.is_done)
}

/// Gives an upload up, and commits; `false` if it was not open.
pub(crate) async fn cancel(tx: Transaction, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let query = sql_query("SELECT content.cancel_upload($1, $2) AS is_done")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(now);
    Ok(is_done(tx.commit_with(query).await?))
}

/// A part of an upload that is stored.
#[derive(Queryable)]
pub(super) struct StoredPart {
    pub(super) path: String,
    pub(super) position: i64,
    pub(super) size: i64,
}

/// The part at the end of what is stored.
pub(super) async fn last_part(mut conn: &AsyncPgConnection, upload: Uuid) -> Result<Option<StoredPart>> {
    let query = stored_parts::table
        .filter(stored_parts::upload_id.eq(upload))
        .filter(stored_parts::state.eq("stored"))
        .order(stored_parts::position.desc())
        .select((stored_parts::path, stored_parts::position, stored_parts::size));
    Ok(query.first(&mut conn).await.optional()?)
}

/// Announces a part that is about to be written, and commits; `false` if the upload takes none.
pub(super) async fn register_part(
    tx: Transaction,
    upload: Uuid,
    part: Uuid,
    path: &str,
    position: i64,
    now: DateTime<Utc>,
) -> Result<bool> {
    let query = sql_query("SELECT content.register_part($1, $2, $3, $4, $5) AS is_done")
        .bind::<SqlUuid, _>(upload)
        .bind::<SqlUuid, _>(part)
        .bind::<Text, _>(path)
        .bind::<BigInt, _>(position)
        .bind::<Timestamptz, _>(now);
    Ok(is_done(tx.commit_with(query).await?))
}

/// What is to be told of a part that is written.
pub(super) struct WrittenPart<'a> {
    pub(super) upload: Uuid,
    pub(super) part: Uuid,
    /// Where the upload is believed to be.
    pub(super) was: i64,
    /// Where it is with this part.
    pub(super) becomes: i64,
    pub(super) digest: Vec<u8>,
    pub(super) mime_type: Option<&'static str>,
    pub(super) now: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// The part that is written next, and its name.
    pub(super) next: Option<(Uuid, &'a str)>,
}

/// Commits a part that is written, and the transaction; `false` if the upload was not where it was believed to be.
pub(super) async fn commit_part(tx: Transaction, written: WrittenPart<'_>) -> Result<bool> {
    let query = sql_query("SELECT content.commit_part($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS is_done")
        .bind::<SqlUuid, _>(written.upload)
        .bind::<SqlUuid, _>(written.part)
        .bind::<BigInt, _>(written.was)
        .bind::<BigInt, _>(written.becomes)
        .bind::<Binary, _>(written.digest)
        .bind::<Nullable<Text>, _>(written.mime_type)
        .bind::<Timestamptz, _>(written.now)
        .bind::<Timestamptz, _>(written.expires_at)
        .bind::<Nullable<SqlUuid>, _>(written.next.map(|(part, _)| part))
        .bind::<Nullable<Text>, _>(written.next.map(|(_, path)| path));
    Ok(is_done(tx.commit_with(query).await?))
}

/// Whether what an upload belongs to is there still; a document is kept from going until the transaction ends.
/// Projects go with the access to them, and tasks are elsewhere.
pub(crate) async fn keep_entity(mut conn: &AsyncPgConnection, upload: Uuid) -> Result<bool> {
    let query = sql_query(
        "SELECT 1 FROM content.documents d WHERE d.id = \
         (SELECT u.entity_id FROM content.uploads u WHERE u.id = $1 AND u.entity_type = 'document') \
         FOR KEY SHARE OF d",
    )
    .bind::<SqlUuid, _>(upload);
    Ok(Prepared(query).execute(&mut conn).await? > 0)
}

/// Makes an attachment of an upload, and commits. Nothing comes back if the upload was not where it was believed to be,
/// or if there is such an attachment already.
pub(crate) async fn complete(
    tx: Transaction,
    upload: &Upload,
    sha256: &str,
    now: DateTime<Utc>,
    created_at: DateTime<Utc>,
) -> Result<Option<Attachment>> {
    let query = sql_query(
        "INSERT INTO content.file_attachments (id, entity_type, entity_id, filename, original_filename, file_size, \
         mime_type, storage_path, uploader_id, metadata, created_at, project_id, sha256, blob_id) \
         SELECT u.attachment_id, u.entity_type, u.entity_id, u.filename, u.original_filename, u.committed_size, \
         u.mime_type, b.storage_path, u.uploader_id, u.metadata, $5, u.project_id, $3, b.blob_id \
         FROM content.uploads u, content.complete_upload($1, $2, $3, $4) b WHERE u.id = $1 \
         ON CONFLICT (id) DO NOTHING RETURNING *",
    )
    .bind::<SqlUuid, _>(upload.id)
    .bind::<BigInt, _>(upload.committed_size)
    .bind::<Text, _>(sha256)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(created_at);
    let rows: Vec<Attachment> = tx.commit_with(query).await.map_err(explain(CONSTRAINTS))?;
    Ok(rows.into_iter().next())
}
