//! SQL of exports, under the worker role.

use std::collections::HashMap;

use crate::schema::{
    comment_reactions, comment_versions, comments, document_versions, documents, file_attachments,
};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use shared::export::id_condition;
use uuid::Uuid;

use crate::attachments::Attachment;
use crate::comments::AnchorColumns;
use crate::documents::DocumentHead;
use crate::targets::EntityType;
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

pub(super) fn comment_ids_with_sizes(projects: &[Uuid]) -> String {
    format!(
        "SELECT c.id, (1000 + octet_length(c.content) + octet_length(coalesce(c.anchor_quote, '')) + \
             50 * cardinality(c.mentioned_user_ids) + 50 * cardinality(c.attachment_ids) \
             + (SELECT coalesce(sum(100 + octet_length(v.content)), 0) FROM content.comment_versions v \
                WHERE v.comment_id = c.id) \
             + (SELECT 150 * count(*) FROM content.comment_reactions r WHERE r.comment_id = c.id))::bigint AS size \
         FROM content.comments c WHERE {} ORDER BY c.parent_id IS NOT NULL, c.id",
        id_condition("c.project_id", projects)
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

/// A comment with all that was written in it and to it.
pub(super) struct WholeComment {
    pub(super) comment: CommentRow,
    /// Earlier contents, oldest first.
    pub(super) versions: Vec<(String, DateTime<Utc>)>,
    /// Emoji, user and time, oldest first.
    pub(super) reactions: Vec<(String, Uuid, DateTime<Utc>)>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = comments, check_for_backend(diesel::pg::Pg))]
pub(super) struct CommentRow {
    pub(super) id: Uuid,
    pub(super) project_id: Uuid,
    pub(super) entity_type: EntityType,
    pub(super) entity_id: Uuid,
    pub(super) parent_id: Option<Uuid>,
    pub(super) author_id: Uuid,
    pub(super) content: String,
    pub(super) mentioned_user_ids: Vec<Uuid>,
    pub(super) attachment_ids: Vec<Uuid>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) edited_at: DateTime<Utc>,
    pub(super) resolved_at: Option<DateTime<Utc>>,
    pub(super) resolver_id: Option<Uuid>,
    pub(super) deleted_at: Option<DateTime<Utc>>,
    #[diesel(embed)]
    pub(super) anchor: AnchorColumns,
}

pub(super) async fn comments(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<WholeComment>> {
    let rows: Vec<CommentRow> = comments::table
        .filter(comments::id.eq_any(&ids))
        .order((comments::parent_id.is_not_null(), comments::id))
        .select(CommentRow::as_select())
        .load(&mut conn)
        .await?;
    let versions: Vec<(Uuid, String, DateTime<Utc>)> = comment_versions::table
        .filter(comment_versions::comment_id.eq_any(&ids))
        .order((comment_versions::comment_id, comment_versions::version_number))
        .select((comment_versions::comment_id, comment_versions::content, comment_versions::created_at))
        .load(&mut conn)
        .await?;
    let reactions: Vec<(Uuid, String, Uuid, DateTime<Utc>)> = comment_reactions::table
        .filter(comment_reactions::comment_id.eq_any(&ids))
        .order((comment_reactions::created_at, comment_reactions::emoji, comment_reactions::user_id))
        .select((
            comment_reactions::comment_id,
            comment_reactions::emoji,
            comment_reactions::user_id,
            comment_reactions::created_at,
        ))
        .load(&mut conn)
        .await?;
    let mut versions_of: HashMap<Uuid, Vec<_>> = HashMap::new();
    for (comment, content, at) in versions {
        versions_of.entry(comment).or_default().push((content, at));
    }
    let mut reactions_of: HashMap<Uuid, Vec<_>> = HashMap::new();
    for (comment, emoji, user, at) in reactions {
        reactions_of.entry(comment).or_default().push((emoji, user, at));
    }
    let whole = |comment: CommentRow| WholeComment {
        versions: versions_of.remove(&comment.id).unwrap_or_default(),
        reactions: reactions_of.remove(&comment.id).unwrap_or_default(),
        comment,
    };
    Ok(rows.into_iter().map(whole).collect())
}
