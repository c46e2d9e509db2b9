//! SQL of uploads. Row-level security limits it to the own uploads of a member.

use crate::schema::{stored_parts, uploads};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, Transaction, explain};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::{Upload, UploadState};
use crate::attachments::Attachment;
use crate::constraints::CONSTRAINTS;

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Upload>> {
    let found = uploads::table.find(id).select(Upload::as_select()).first(&mut conn).await;
    Ok(found.optional()?)
}

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

/// Inserts an upload, and commits.
pub(crate) async fn insert(tx: Transaction, upload: &Upload) -> Result<Upload> {
    let query = diesel::insert_into(uploads::table).values(upload).returning(Upload::as_returning());
    let rows: Vec<Upload> = tx.commit_with(query).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::internal("an inserted upload was not returned"))
}

#[derive(QueryableByName)]
struct ResultRow {
    #[diesel(sql_type = Bool)]
    is_done: bool,
}

fn is_done(rows: Vec<ResultRow>) -> bool {
    rows.into_iter().any(|row| row.is_done)
}

/// Cancels an upload, and commits; `false` if it was not open.
pub(crate) async fn cancel(tx: Transaction, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let query = sql_query("SELECT content.cancel_upload($1, $2) AS is_done")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(now);
    Ok(is_done(tx.commit_with(query).await?))
}

#[derive(Queryable)]
pub(super) struct StoredPart {
    pub(super) path: String,
    pub(super) position: i64,
    pub(super) size: i64,
}

/// The last stored part of an upload.
pub(super) async fn last_part(mut conn: &AsyncPgConnection, upload: Uuid) -> Result<Option<StoredPart>> {
    let query = stored_parts::table
        .filter(stored_parts::upload_id.eq(upload))
        .filter(stored_parts::state.eq("stored"))
        .order(stored_parts::position.desc())
        .select((stored_parts::path, stored_parts::position, stored_parts::size));
    Ok(query.first(&mut conn).await.optional()?)
}

/// Registers a part before it is written, and commits; `false` if the upload accepts none.
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

pub(super) struct WrittenPart<'a> {
    pub(super) upload: Uuid,
    pub(super) part: Uuid,
    pub(super) old_size: i64,
    pub(super) new_size: i64,
    pub(super) digest: Vec<u8>,
    pub(super) mime_type: Option<&'static str>,
    pub(super) now: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// The next part to register, and its path.
    pub(super) next: Option<(Uuid, &'a str)>,
}

/// Records that a part is written, and commits; `false` if the upload does not have `old_size` bytes.
pub(super) async fn commit_part(tx: Transaction, written: WrittenPart<'_>) -> Result<bool> {
    let query = sql_query("SELECT content.commit_part($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS is_done")
        .bind::<SqlUuid, _>(written.upload)
        .bind::<SqlUuid, _>(written.part)
        .bind::<BigInt, _>(written.old_size)
        .bind::<BigInt, _>(written.new_size)
        .bind::<Binary, _>(written.digest)
        .bind::<Nullable<Text>, _>(written.mime_type)
        .bind::<Timestamptz, _>(written.now)
        .bind::<Timestamptz, _>(written.expires_at)
        .bind::<Nullable<SqlUuid>, _>(written.next.map(|(part, _)| part))
        .bind::<Nullable<Text>, _>(written.next.map(|(_, path)| path));
    Ok(is_done(tx.commit_with(query).await?))
}

/// Prevents the deletion of the document that an upload is for until the transaction ends; `false` if there is none.
pub(crate) async fn lock_document_of_upload(mut conn: &AsyncPgConnection, upload: Uuid) -> Result<bool> {
    let query = sql_query(
        "SELECT 1 FROM content.documents d WHERE d.id = \
         (SELECT u.entity_id FROM content.uploads u WHERE u.id = $1 AND u.entity_type = 'document') \
         FOR KEY SHARE OF d",
    )
    .bind::<SqlUuid, _>(upload);
    Ok(PreparedQuery(query).execute(&mut conn).await? > 0)
}

/// Turns an upload into an attachment, and commits. `None` if the upload has changed, or if the attachment exists.
pub(crate) async fn complete(
    tx: Transaction,
    upload: &Upload,
    sha256: &str,
    now: DateTime<Utc>,
    created_at: DateTime<Utc>,
) -> Result<Option<Attachment>> {
    let query = sql_query(
        "INSERT INTO content.file_attachments (id, entity_type, entity_id, filename, original_filename, file_size, \
         mime_type, storage_path, uploader_id, metadata, created_at, updated_at, project_id, sha256, blob_id) \
         SELECT u.attachment_id, u.entity_type, u.entity_id, u.filename, u.original_filename, u.committed_size, \
         u.mime_type, b.storage_path, u.uploader_id, u.metadata, $5, $5, u.project_id, $3, b.blob_id \
         FROM content.uploads u, content.complete_upload($1, $2, $3, $4) b WHERE u.id = $1 \
         ON CONFLICT (id) DO NOTHING RETURNING id, entity_type, entity_id, filename, original_filename, file_size, \
         mime_type, storage_path, uploader_id, metadata, created_at, project_id, sha256, updated_at, xmin",
    )
    .bind::<SqlUuid, _>(upload.id)
    .bind::<BigInt, _>(upload.committed_size)
    .bind::<Text, _>(sha256)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(created_at);
    let rows: Vec<Attachment> = tx.commit_with(query).await.map_err(explain(CONSTRAINTS))?;
    Ok(rows.into_iter().next())
}
