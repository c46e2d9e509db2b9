//! Conversion of exported items.

use chrono::{DateTime, Utc};
use proto::content::admin::v1 as pb;
use shared::error::{Error, Result};
use shared::json::{to_struct, to_timestamp};
use shared::validation::Violations;
use uuid::Uuid;

use super::queries::WholeComment;
use crate::attachments::wire::sha256;
use crate::attachments::{Attachment, safe_filename};
use crate::comments::wire::id_or_empty;
use crate::documents::DocumentHead;
use crate::targets::ContentTarget;
use crate::versions::Version;

impl From<DocumentHead> for pb::ImportedDocument {
    fn from(document: DocumentHead) -> Self {
        Self {
            line: 0,
            id: document.id.to_string(),
            project_id: document.project_id.to_string(),
            title: document.title,
            content_type: document.content_type,
            author_id: document.author_id.to_string(),
            status: document.status.into(),
            tags: document.tags,
            metadata: Some(to_struct(&document.metadata)),
            created_at: Some(to_timestamp(document.created_at)),
            published_at: document.published_at.map(to_timestamp),
            updated_at: Some(to_timestamp(document.updated_at)),
        }
    }
}

impl From<Version> for pb::ImportedDocumentVersion {
    fn from(Version { head, content }: Version) -> Self {
        Self {
            line: 0,
            document_id: head.document_id.to_string(),
            version_number: head.version_number,
            content,
            change_summary: head.change_summary,
            author_id: head.author_id.to_string(),
            created_at: Some(to_timestamp(head.created_at)),
            title: Some(head.title),
        }
    }
}

impl From<Attachment> for pb::ExportedAttachment {
    fn from(attachment: Attachment) -> Self {
        // A name that was changed after the upload replaces the one that the uploader gave.
        let is_renamed = attachment.filename != safe_filename(&attachment.original_filename);
        let filename = if is_renamed { &attachment.filename } else { &attachment.original_filename }.clone();
        let imported = pb::ImportedAttachment {
            line: 0,
            id: attachment.id.to_string(),
            target: Some(attachment.target().into()),
            filename,
            sha256: attachment.sha256,
            uploader_id: attachment.uploader_id.to_string(),
            metadata: Some(to_struct(&attachment.metadata)),
            created_at: Some(to_timestamp(attachment.created_at)),
        };
        Self { attachment: Some(imported), project_id: attachment.project_id.to_string() }
    }
}

impl From<WholeComment> for pb::ExportedComment {
    fn from(WholeComment { comment, versions, reactions }: WholeComment) -> Self {
        let version =
            |(content, at)| pb::ImportedCommentVersion { content, created_at: Some(to_timestamp(at)) };
        let reaction = |(emoji, user, at): (String, Uuid, DateTime<Utc>)| pb::ImportedCommentReaction {
            emoji,
            user_id: user.to_string(),
            created_at: Some(to_timestamp(at)),
        };
        let target = ContentTarget { entity_type: comment.entity_type, id: comment.entity_id };
        let imported = pb::ImportedComment {
            line: 0,
            id: comment.id.to_string(),
            target: Some(target.into()),
            parent_id: id_or_empty(comment.parent_id),
            author_id: comment.author_id.to_string(),
            content: comment.content,
            mentioned_user_ids: comment.mentioned_user_ids.iter().map(Uuid::to_string).collect(),
            attachment_ids: comment.attachment_ids.iter().map(Uuid::to_string).collect(),
            created_at: Some(to_timestamp(comment.created_at)),
            updated_at: Some(to_timestamp(comment.updated_at)),
            edited_at: Some(to_timestamp(comment.edited_at)),
            resolved_at: comment.resolved_at.map(to_timestamp),
            resolver_id: id_or_empty(comment.resolver_id),
            deleted_at: comment.deleted_at.map(to_timestamp),
            versions: versions.into_iter().map(version).collect(),
            reactions: reactions.into_iter().map(reaction).collect(),
            anchor: comment.anchor.into(),
        };
        Self { comment: Some(imported), project_id: comment.project_id.to_string() }
    }
}

pub(super) fn requested_hash(request: pb::ExportFileRequest) -> Result<String, Error> {
    let mut v = Violations::new();
    let hash = sha256(&mut v, request.sha256);
    v.finish()?;
    Ok(hash)
}
