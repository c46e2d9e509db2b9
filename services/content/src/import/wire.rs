//! Conversion of imported items, validated like in the public methods.

use std::collections::HashSet;

use crate::schema::{DocumentStatus, comment_reactions, comment_versions, comments};
use chrono::{DateTime, Utc};
use diesel::Insertable;
use proto::content::admin::v1 as pb;
use proto::content::admin::v1::import_attachment_request;
use proto::content::v1 as pb_v1;
use shared::error::{Error, Result};
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::ImportItem;
use crate::attachments::AttachmentInput;
use crate::attachments::wire::{filename, sha256};
use crate::comments::mentions::MAX_MENTIONS;
use crate::comments::wire::{anchor, attachment_ids, content as comment_content, read_emoji};
use crate::comments::{Anchor, AnchorColumns, MAX_EMOJI, MAX_QUOTE_CHARS, MAX_REACTIONS, MAX_VERSIONS};
use crate::documents::wire::{change_summary, content, content_type};
use crate::documents::{MAX_TITLE_CHARS, NewDocument};
use crate::targets::wire::target;
use crate::targets::{ContentTarget, EntityType};
use crate::uploads::upload_stream::{Part, UploadMessage};
use crate::versions::NewVersion;
use crate::versions::wire::version_number;

pub(super) struct ImportBatch {
    pub(super) documents: Vec<ImportItem<NewDocument>>,
    pub(super) versions: Vec<ImportItem<NewVersion>>,
}

impl TryFrom<pb::ImportDocumentsRequest> for ImportBatch {
    type Error = Error;

    fn try_from(request: pb::ImportDocumentsRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.at_most("documents", request.documents.len(), MAX_BATCH);
        v.at_most("versions", request.versions.len(), MAX_BATCH);
        v.finish()?;
        Ok(Self {
            documents: request.documents.into_iter().map(validate_document).collect(),
            versions: request.versions.into_iter().map(validate_version).collect(),
        })
    }
}

fn item<T>(line: u64, v: &Violations, value: T) -> ImportItem<T> {
    ImportItem { line, value: v.sentence().map_or(Ok(value), Err) }
}

fn validate_document(given: pb::ImportedDocument) -> ImportItem<NewDocument> {
    let mut v = Violations::new();
    let status = v.optional_enum("status", given.status).unwrap_or(DocumentStatus::Draft);
    let created_at = v.optional_time("created_at", given.created_at).unwrap_or_else(Utc::now);
    let published_at = v.optional_time("published_at", given.published_at);
    let document = NewDocument {
        id: v.uuid("id", &given.id),
        project_id: v.uuid("project_id", &given.project_id),
        title: v.line("title", given.title, 1, MAX_TITLE_CHARS),
        content: String::new(),
        content_type: content_type(&mut v, "content_type", given.content_type),
        author_id: v.uuid("author_id", &given.author_id),
        version: 0,
        status,
        tags: v.tags("tags", given.tags),
        metadata: v.json("metadata", given.metadata),
        created_at: Some(created_at),
        updated_at: Some(v.optional_time("updated_at", given.updated_at).unwrap_or(created_at)),
        published_at: published_at.or((status == DocumentStatus::Published).then_some(created_at)),
    };
    item(given.line, &v, document)
}

fn validate_version(given: pb::ImportedDocumentVersion) -> ImportItem<NewVersion> {
    let mut v = Violations::new();
    let version = NewVersion {
        document_id: v.uuid("document_id", &given.document_id),
        version_number: version_number(&mut v, "version_number", given.version_number),
        title: given.title.map(|title| v.line("title", title, 1, MAX_TITLE_CHARS)),
        content: content(&mut v, "content", given.content),
        change_summary: change_summary(&mut v, given.change_summary),
        author_id: v.uuid("author_id", &given.author_id),
        created_at: v.optional_time("created_at", given.created_at),
    };
    item(given.line, &v, version)
}

pub(super) struct AttachmentImport {
    pub(super) attachment: AttachmentInput,
    pub(super) uploader_id: Uuid,
    pub(super) created_at: Option<DateTime<Utc>>,
}

pub(super) fn validate_file(given: pb::ImportedAttachment) -> ImportItem<AttachmentImport> {
    let mut v = Violations::new();
    let file = AttachmentImport {
        attachment: AttachmentInput {
            id: v.uuid("id", &given.id),
            target: target(&mut v, given.target),
            original_filename: filename(&mut v, given.filename),
            sha256: Some(sha256(&mut v, given.sha256)),
            metadata: v.json("metadata", given.metadata),
        },
        uploader_id: v.uuid("uploader_id", &given.uploader_id),
        created_at: v.optional_time("created_at", given.created_at),
    };
    item(given.line, &v, file)
}

/// A comment to insert. The project is found later.
#[derive(Clone, Debug, PartialEq, Insertable)]
#[diesel(table_name = comments)]
pub(super) struct NewComment {
    pub(super) id: Uuid,
    pub(super) project_id: Uuid,
    pub(super) entity_type: EntityType,
    pub(super) entity_id: Uuid,
    pub(super) parent_id: Option<Uuid>,
    pub(super) author_id: Uuid,
    pub(super) content: String,
    pub(super) mentioned_user_ids: Vec<Uuid>,
    pub(super) attachment_ids: Vec<Uuid>,
    pub(super) version: i32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) edited_at: DateTime<Utc>,
    pub(super) resolved_at: Option<DateTime<Utc>>,
    pub(super) resolver_id: Option<Uuid>,
    pub(super) deleted_at: Option<DateTime<Utc>>,
    #[diesel(embed)]
    pub(super) anchor: AnchorColumns,
}

impl NewComment {
    pub(super) fn target(&self) -> ContentTarget {
        ContentTarget { entity_type: self.entity_type, id: self.entity_id }
    }
}

#[derive(Clone, Debug, PartialEq, Insertable)]
#[diesel(table_name = comment_versions)]
pub(super) struct NewCommentVersion {
    pub(super) comment_id: Uuid,
    pub(super) version_number: i32,
    pub(super) content: String,
    pub(super) created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Insertable)]
#[diesel(table_name = comment_reactions)]
pub(super) struct NewReaction {
    pub(super) comment_id: Uuid,
    pub(super) project_id: Uuid,
    pub(super) entity_type: EntityType,
    pub(super) entity_id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) emoji: String,
    pub(super) created_at: DateTime<Utc>,
}

#[derive(Debug)]
pub(super) struct CommentImport {
    pub(super) comment: NewComment,
    pub(super) versions: Vec<NewCommentVersion>,
    /// Emoji, user and time.
    pub(super) reactions: Vec<(String, Uuid, DateTime<Utc>)>,
}

impl CommentImport {
    /// The users whom it names, and the fields that name them.
    pub(super) fn users(&self) -> impl Iterator<Item = (&'static str, Uuid)> {
        let comment = &self.comment;
        let mentioned = comment.mentioned_user_ids.iter().map(|user| ("mentioned_user_ids", *user));
        let reacting = self.reactions.iter().map(|(_, user, _)| ("reactions", *user));
        [("author_id", comment.author_id)]
            .into_iter()
            .chain(comment.resolver_id.map(|user| ("resolver_id", user)))
            .chain(mentioned)
            .chain(reacting)
    }

    /// The reactions to insert.
    pub(super) fn placed_reactions(&self) -> impl Iterator<Item = NewReaction> {
        let comment = &self.comment;
        self.reactions.iter().map(|(emoji, user_id, created_at)| NewReaction {
            comment_id: comment.id,
            project_id: comment.project_id,
            entity_type: comment.entity_type,
            entity_id: comment.entity_id,
            user_id: *user_id,
            emoji: emoji.clone(),
            created_at: *created_at,
        })
    }
}

pub(super) fn validate_comments(
    request: pb::ImportCommentsRequest,
) -> Result<Vec<ImportItem<CommentImport>>> {
    let mut v = Violations::new();
    v.at_most("comments", request.comments.len(), MAX_BATCH);
    v.finish()?;
    Ok(request.comments.into_iter().map(validate_comment).collect())
}

fn validate_comment(given: pb::ImportedComment) -> ImportItem<CommentImport> {
    let mut v = Violations::new();
    let id = v.resource_uuid("id", &given.id);
    let ContentTarget { entity_type, id: entity_id } = target(&mut v, given.target);
    let created_at = v.optional_time("created_at", given.created_at).unwrap_or_else(Utc::now);
    let deleted_at = v.optional_time("deleted_at", given.deleted_at);
    let is_deleted = deleted_at.is_some();
    let content = if is_deleted { given.content } else { comment_content(&mut v, "content", given.content) };
    let mentioned = v.uuids("mentioned_user_ids", &given.mentioned_user_ids, MAX_MENTIONS);
    let attachment_ids = attachment_ids(&mut v, &given.attachment_ids);
    let versions = comment_versions(&mut v, id, given.versions, created_at);
    let reactions = reactions(&mut v, given.reactions, created_at);
    let anchor = anchor_columns(&mut v, given.anchor);
    let is_anchored = anchor != AnchorColumns::default();
    v.require(!is_anchored || entity_type == EntityType::Document, "anchor", "must be in a document");
    let is_empty = !is_anchored
        && content.is_empty()
        && mentioned.is_empty()
        && attachment_ids.is_empty()
        && versions.is_empty()
        && reactions.is_empty();
    v.require(!is_deleted || is_empty, "deleted_at", "a deleted comment has nothing that was written");
    let parent_id = v.optional_uuid("parent_id", &given.parent_id);
    let resolved_at = v.optional_time("resolved_at", given.resolved_at);
    let resolver_id = v.optional_uuid("resolver_id", &given.resolver_id);
    v.require(
        resolved_at.is_some() == resolver_id.is_some(),
        "resolver_id",
        "must be given with resolved_at",
    );
    v.require(parent_id.is_none() || resolved_at.is_none(), "resolved_at", "must not be given for a reply");
    let comment = NewComment {
        id,
        project_id: Uuid::nil(),
        entity_type,
        entity_id,
        parent_id,
        author_id: v.uuid("author_id", &given.author_id),
        content,
        mentioned_user_ids: mentioned,
        attachment_ids,
        version: if is_deleted { 0 } else { next_number(versions.len()) },
        created_at,
        updated_at: v.optional_time("updated_at", given.updated_at).unwrap_or(created_at),
        edited_at: v.optional_time("edited_at", given.edited_at).unwrap_or(created_at),
        resolved_at,
        resolver_id,
        deleted_at,
        anchor,
    };
    item(given.line, &v, CommentImport { comment, versions, reactions })
}

fn anchor_columns(v: &mut Violations, given: Option<pb_v1::CommentAnchor>) -> AnchorColumns {
    let Some(given) = given else { return AnchorColumns::default() };
    let Anchor { version, start, end } = anchor(v, &given);
    AnchorColumns {
        anchor_version: Some(version),
        anchor_start: Some(start),
        anchor_end: Some(end),
        anchor_quote: Some(v.text("anchor.quote", given.quote, 1, MAX_QUOTE_CHARS)),
        anchor_outdated: given.outdated,
    }
}

/// The number of the version after so many.
fn next_number(versions: usize) -> i32 {
    i32::try_from(versions).unwrap_or(i32::MAX).saturating_add(1)
}

fn comment_versions(
    v: &mut Violations,
    comment_id: Uuid,
    given: Vec<pb::ImportedCommentVersion>,
    created_at: DateTime<Utc>,
) -> Vec<NewCommentVersion> {
    v.require(next_number(given.len()) <= MAX_VERSIONS, "versions", "must have at most 99 items");
    let version = |(index, version): (usize, pb::ImportedCommentVersion)| NewCommentVersion {
        comment_id,
        version_number: next_number(index),
        content: comment_content(v, &format!("versions[{index}].content"), version.content),
        created_at: v
            .optional_time(&format!("versions[{index}].created_at"), version.created_at)
            .unwrap_or(created_at),
    };
    given.into_iter().enumerate().map(version).collect()
}

fn reactions(
    v: &mut Violations,
    given: Vec<pb::ImportedCommentReaction>,
    created_at: DateTime<Utc>,
) -> Vec<(String, Uuid, DateTime<Utc>)> {
    v.at_most("reactions", given.len(), MAX_REACTIONS);
    let reaction = |(index, reaction): (usize, pb::ImportedCommentReaction)| {
        let path = |field: &str| format!("reactions[{index}].{field}");
        let emoji = read_emoji(v, &path("emoji"), &reaction.emoji);
        let user = v.uuid(&path("user_id"), &reaction.user_id);
        (emoji, user, v.optional_time(&path("created_at"), reaction.created_at).unwrap_or(created_at))
    };
    let reactions: Vec<_> = given.into_iter().enumerate().map(reaction).collect();
    let emoji: HashSet<&str> = reactions.iter().map(|(emoji, ..)| emoji.as_str()).collect();
    v.at_most("reactions", emoji.len(), MAX_EMOJI);
    reactions
}

impl UploadMessage for pb::ImportAttachmentRequest {
    type Header = pb::ImportedAttachment;

    fn part(self) -> Option<Part<Self::Header>> {
        Some(match self.part? {
            import_attachment_request::Part::Header(header) => Part::Header(header),
            import_attachment_request::Part::Chunk(bytes) => Part::Chunk(bytes),
        })
    }
}
