//! What an export reads, under the worker role.

use crate::schema::{document_versions, documents, file_attachments};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use shared::export::among;
use uuid::Uuid;

use crate::attachments::Attachment;
use crate::documents::DocumentHead;
use crate::versions::Version;

/// The documents of these projects, weighed without their contents. JSON takes up to four times its text in a message.
pub(super) fn weigh_documents(projects: &[Uuid]) -> String {
    format!(
        "SELECT id, (1000 + octet_length(title) + octet_length(tags::text) \
             + 4 * octet_length(metadata::text))::bigint AS size \
         FROM content.documents WHERE {} ORDER BY id",
        among("project_id", projects)
    )
}

/// The versions of these projects' documents, weighed.
pub(super) fn weigh_versions(projects: &[Uuid]) -> String {
    format!(
        "SELECT v.id, (500 + octet_length(v.title) + octet_length(v.content) \
             + octet_length(coalesce(v.change_summary, '')))::bigint AS size \
         FROM content.document_versions v JOIN content.documents d ON d.id = v.document_id WHERE {} \
         ORDER BY v.document_id, v.version_number",
        among("d.project_id", projects)
    )
}

/// The attachments of these projects, weighed without their bytes.
pub(super) fn weigh_attachments(projects: &[Uuid]) -> String {
    format!(
        "SELECT id, (1000 + octet_length(original_filename) + 4 * octet_length(metadata::text))::bigint AS size \
         FROM content.file_attachments WHERE {} ORDER BY id",
        among("project_id", projects)
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
