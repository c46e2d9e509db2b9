//! Conversion of comments.

use std::collections::HashSet;

use proto::content::v1 as pb;
use shared::error::{Error, Result};
use shared::etag;
use shared::highlight::excerpts;
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::validation::{MAX_BATCH, Mask, ProtoEnum, Violations};
use uuid::Uuid;

use super::mentions::{self, MAX_MENTIONS};
use super::search::{CommentMatch, SearchCommentsInput};
use super::{
    Anchor, AnchorColumns, Comment, CommentFilter, CommentParent, CommentVersion, MAX_ATTACHMENTS,
    MAX_CONTENT_BYTES, MAX_EMOJI_CHARS, ReactionCount, emoji,
};
use crate::search::MAX_QUERY_CHARS;
use crate::targets::wire::{target, target_at};
use crate::targets::{ContentTarget, EntityType};

/// Most author or project ids in a filter.
const MAX_FILTERED_IDS: usize = 100;

pub(crate) fn content(v: &mut Violations, field: &str, value: String) -> String {
    let value = v.body(field, value, MAX_CONTENT_BYTES);
    v.require(mentions::names(&value).len() <= MAX_MENTIONS, field, "must mention at most 50 names");
    value
}

/// Reads the ids of attachments; one that occurs twice counts once.
pub(crate) fn attachment_ids(v: &mut Violations, given: &[String]) -> Vec<Uuid> {
    let mut ids = v.uuids("attachment_ids", given, MAX_ATTACHMENTS);
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

/// Reads an emoji in the form that Unicode recommends.
pub(crate) fn read_emoji(v: &mut Violations, field: &str, value: &str) -> String {
    let known = emoji(value).filter(|known| known.chars().count() <= MAX_EMOJI_CHARS);
    v.require(known.is_some(), field, "must be an emoji");
    known.unwrap_or_default().to_owned()
}

pub(super) fn comment_id(value: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("comment_id", value);
    v.finish()?;
    Ok(id)
}

#[derive(Clone, Debug)]
pub(super) struct CreateCommentInput {
    pub key: Option<RequestKey>,
    pub id: Uuid,
    pub place: CommentParent,
    pub anchor: Option<Anchor>,
    pub content: String,
    pub attachment_ids: Vec<Uuid>,
}

/// Reads the field `anchor`, without what the service adds.
pub(crate) fn anchor(v: &mut Violations, given: &pb::CommentAnchor) -> Anchor {
    let pb::CommentAnchor { version_number: version, start_char: start, end_char: end, .. } = *given;
    v.require(version >= 1, "anchor.version_number", "must be at least 1");
    v.require(start >= 0, "anchor.start_char", "must not be negative");
    v.require(end >= 1 && end > start, "anchor.end_char", "must be at least 1, and greater than start_char");
    Anchor { version, start, end }
}

impl TryFrom<pb::CreateCommentRequest> for CreateCommentInput {
    type Error = Error;

    fn try_from(request: pb::CreateCommentRequest) -> Result<Self> {
        let mut outer = Violations::new();
        let key = RequestKey::of(&mut outer, &request.request_id, &request);
        let comment = outer.message("comment", request.comment);
        let mut v = Violations::within("comment.");
        let id = v.uuid_or_new("id", &comment.id);
        let parent = v.optional_uuid("parent_id", &comment.parent_id);
        let place = match (parent, comment.target) {
            (None, given) => CommentParent::Target(target(&mut v, given)),
            (Some(parent), None) => CommentParent::Comment(parent),
            (Some(parent), given) => {
                target(&mut v, given);
                v.add("target", "must not be given together with parent_id");
                CommentParent::Comment(parent)
            }
        };
        let is_on_document =
            matches!(place, CommentParent::Target(target) if target.entity_type == EntityType::Document);
        v.require(comment.anchor.is_none() || is_on_document, "anchor", "must be in a document");
        let anchor = comment.anchor.map(|given| anchor(&mut v, &given));
        let content = content(&mut v, "content", comment.content);
        let attachment_ids = attachment_ids(&mut v, &comment.attachment_ids);
        outer.absorb(v);
        outer.finish()?;
        Ok(Self { key, id, place, anchor, content, attachment_ids })
    }
}

#[derive(Clone, Debug)]
pub(super) struct UpdateCommentInput {
    pub id: Uuid,
    pub etag: String,
    pub content: Option<String>,
    pub attachment_ids: Option<Vec<Uuid>>,
}

impl TryFrom<pb::UpdateCommentRequest> for UpdateCommentInput {
    type Error = Error;

    fn try_from(request: pb::UpdateCommentRequest) -> Result<Self> {
        const CHANGEABLE: &[&str] = &["content", "attachment_ids"];
        let mut v = Violations::within("comment.");
        let comment = v.message("comment", request.comment);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let id = v.resource_uuid("id", &comment.id);
        v.optional_uuid("parent_id", &comment.parent_id);
        if comment.target.is_some() {
            target(&mut v, comment.target);
        }
        if let Some(given) = &comment.anchor {
            anchor(&mut v, given);
        }
        let content = mask.pick("content", comment.content, |text| content(&mut v, "content", text));
        let attachment_ids =
            mask.pick("attachment_ids", comment.attachment_ids, |ids| attachment_ids(&mut v, &ids));
        v.finish()?;
        Ok(Self { id, etag: comment.etag, content, attachment_ids })
    }
}

#[derive(Clone, Debug)]
pub(super) struct ListCommentsInput {
    pub target: ContentTarget,
    pub filter: CommentFilter,
    pub order: CommentOrder,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListCommentsRequest> for ListCommentsInput {
    type Error = Error;

    fn try_from(request: pb::ListCommentsRequest) -> Result<Self> {
        let pb::ListCommentsRequest { target: given, filter, order, page_size, page_token } = request;
        let filter = filter.unwrap_or_default();
        let mut v = Violations::new();
        let target = target(&mut v, given);
        let filter = CommentFilter {
            author_ids: v.uuids("filter.author_ids", &filter.author_ids, MAX_FILTERED_IDS),
            mentioned_user_id: v.optional_uuid("filter.mentioned_user_id", &filter.mentioned_user_id),
            thread_id: v.optional_uuid("filter.thread_id", &filter.thread_id),
            root: filter.root,
            resolved: filter.resolved,
        };
        let order = v.optional_enum("order", order).unwrap_or_default();
        v.require(page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { target, filter, order, page_size, page_token })
    }
}

/// The order of a list. Comments that are equal in it are ordered by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CommentOrder {
    #[default]
    CreatedAsc,
    CreatedDesc,
}

impl ProtoEnum for CommentOrder {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        use pb::CommentOrder as Wire;
        Some(match Wire::try_from(value).ok()? {
            Wire::Unspecified => None,
            Wire::CreatedAsc => Some(Self::CreatedAsc),
            Wire::CreatedDesc => Some(Self::CreatedDesc),
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct ReactionInput {
    pub id: Uuid,
    pub emoji: String,
}

impl ReactionInput {
    pub(super) fn read(id: &str, emoji: &str) -> Result<Self> {
        let mut v = Violations::new();
        let (id, emoji) = (v.uuid("comment_id", id), read_emoji(&mut v, "emoji", emoji));
        v.finish()?;
        Ok(Self { id, emoji })
    }
}

/// The targets of BatchCountComments.
pub(super) fn counted_targets(targets: Vec<pb::ContentTarget>) -> Result<Vec<ContentTarget>> {
    let mut v = Violations::new();
    v.require(!targets.is_empty(), "targets", "must not be empty");
    v.at_most("targets", targets.len(), MAX_BATCH);
    let targets = targets.into_iter().take(MAX_BATCH).enumerate();
    let targets = targets
        .map(|(index, target)| target_at(&mut v, &format!("targets[{index}]"), Some(target)))
        .collect();
    v.finish()?;
    Ok(targets)
}

impl TryFrom<pb::SearchCommentsRequest> for SearchCommentsInput {
    type Error = Error;

    fn try_from(request: pb::SearchCommentsRequest) -> Result<Self> {
        let pb::SearchCommentsRequest { query, project_ids, page_size, page_token } = request;
        let mut v = Violations::new();
        let query = v.line("query", query, 1, MAX_QUERY_CHARS);
        let mut project_ids = v.uuids("project_ids", &project_ids, MAX_FILTERED_IDS);
        project_ids.sort_unstable();
        project_ids.dedup();
        v.require(page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { query, project_ids, page_size, page_token })
    }
}

impl From<Comment> for pb::Comment {
    fn from(comment: Comment) -> Self {
        Self {
            id: comment.id.to_string(),
            target: Some(comment.target().into()),
            project_id: comment.project_id.to_string(),
            parent_id: id_or_empty(comment.parent_id),
            author_id: comment.author_id.to_string(),
            content: comment.content,
            mentioned_user_ids: comment.mentioned_user_ids.iter().map(Uuid::to_string).collect(),
            attachment_ids: comment.attachment_ids.iter().map(Uuid::to_string).collect(),
            version: comment.version,
            reply_count: comment.reply_count,
            reactions: comment.reactions.0.into_iter().map(Into::into).collect(),
            created_at: Some(to_timestamp(comment.created_at)),
            updated_at: Some(to_timestamp(comment.updated_at)),
            edited_at: Some(to_timestamp(comment.edited_at)),
            resolved_at: comment.resolved_at.map(to_timestamp),
            resolver_id: id_or_empty(comment.resolver_id),
            deleted_at: comment.deleted_at.map(to_timestamp),
            anchor: comment.anchor.into(),
            etag: etag::of(comment.row_version),
        }
    }
}

impl From<AnchorColumns> for Option<pb::CommentAnchor> {
    fn from(anchor: AnchorColumns) -> Self {
        Some(pb::CommentAnchor {
            version_number: anchor.anchor_version?,
            start_char: anchor.anchor_start?,
            end_char: anchor.anchor_end?,
            quote: anchor.anchor_quote.unwrap_or_default(),
            outdated: anchor.anchor_outdated,
        })
    }
}

pub(crate) fn id_or_empty(id: Option<Uuid>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

impl From<ReactionCount> for pb::CommentReaction {
    fn from(reaction: ReactionCount) -> Self {
        Self {
            emoji: reaction.emoji,
            count: reaction.count,
            user_ids: reaction.user_ids.iter().map(Uuid::to_string).collect(),
            own: reaction.own,
        }
    }
}

impl From<CommentVersion> for pb::CommentVersion {
    fn from(version: CommentVersion) -> Self {
        Self {
            comment_id: version.comment_id.to_string(),
            version_number: version.version_number,
            content: version.content,
            created_at: Some(to_timestamp(version.created_at)),
        }
    }
}

impl From<CommentMatch> for pb::CommentMatch {
    fn from(found: CommentMatch) -> Self {
        Self {
            score: found.score,
            excerpts: excerpts(&found.marked_content),
            comment: Some(found.comment.into()),
        }
    }
}
