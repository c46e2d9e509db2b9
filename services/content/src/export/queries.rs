//! SQL of exports, under the worker role.

use crate::schema::{document_versions, documents, file_attachments};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use shared::export::id_condition;
use uuid::Uuid;

use crate::attachments::Attachment;
use crate::documents::DocumentHead;
use crate::versions::Version;

/// The ids of documents with their sizes in a message, in which JSON takes up to four times the size of its text.
pub(super) fn document_ids_with_sizes(projects: &[Uuid]) -> String {
    format!(
        "SELECT id, (1000 + octet_length(title) + octet_length(tags::text) \
             + 4 * octet_length(metadata::text))::bigint AS size \
         FROM content.documents WHERE {} ORDER BY id",
        id_condition("project_id", projects)
    )
}

pub(super) fn version_ids_with_sizes(projects: &[Uuid]) -> String {
    format!(
        "SELECT v.id, (500 + octet_length(v.title) + octet_length(v.content) \
             + octet_length(coalesce(v.change_summary, '')))::bigint AS size \
         FROM content.document_versions v JOIN content.documents d ON d.id = v.document_id WHERE {} \
         ORDER BY v.document_id, v.version_number",
        id_condition("d.project_id", projects)
    )
}

pub(super) fn attachment_ids_with_sizes(projects: &[Uuid]) -> String {
    format!(
        "SELECT id, (1000 + octet_length(original_filename) + 4 * octet_length(metadata::text))::bigint AS size \
         FROM content.file_attachments WHERE {} ORDER BY id",
        id_condition("project_id", projects)
    )
}

pub(super) async fn documents(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<DocumentHead>> {
    let query = documents::table
        .filter(documents::id.eq_any(ids))
        .order(documents::id)
        .select(DocumentHead::as_select());
    Ok(query.load(&mut conn).await?)
}

pub(super) async fn versions(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<Version>> {
    let query = document_versions::table
        .filter(document_versions::id.eq_any(ids))
        .order((document_versions::document_id, document_versions::version_number))
        .select(Version::as_select());
    Ok(query.load(&mut conn).await?)
}

pub(super) async fn attachments(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<Attachment>> {
    let query = file_attachments::table
        .filter(file_attachments::id.eq_any(ids))
        .order(file_attachments::id)
        .select(Attachment::as_select());
    Ok(query.load(&mut conn).await?)
}
