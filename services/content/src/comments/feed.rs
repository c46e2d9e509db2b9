//! The feed of a project's comments. [`shared::change_log::feed`] follows the change log; this module selects changes and
//! converts them to events.

use futures::FutureExt;
use proto::common::ResourceType;
use proto::content::v1 as pb;
use proto::content::v1::comment_event::Resource;
use serde::Deserialize;
use shared::access::Permission::CommentRead;
use shared::access::{AccessTables, AccessTarget, Authorizer};
use shared::caller::Caller;
use shared::change_log::feed::Subject;
use shared::change_log::{Operation, Record};
use shared::error::{Error, Result};
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::Comment;
use crate::schema::NAME;
use crate::targets::wire::target_at;
use crate::targets::{ContentTarget, EntityType};

pub(crate) const COMMENTS: &str = "comments";
pub(crate) const REACTIONS: &str = "comment_reactions";
/// Columns that are fields of the API. A change of others is no event.
const FIELDS: [&str; 8] = [
    "mentioned_user_ids",
    "attachment_ids",
    "version",
    "updated_at",
    "edited_at",
    "resolved_at",
    "resolver_id",
    "deleted_at",
];

/// Which changes to return. Empty fields do not filter; all others must match.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    operations: Vec<Operation>,
    actor_id: Option<Uuid>,
    targets: Vec<ContentTarget>,
}

impl EventFilter {
    fn matches(&self, record: &Record, target: ContentTarget) -> bool {
        (self.operations.is_empty() || self.operations.contains(&record.operation))
            && (self.actor_id.is_none() || self.actor_id == record.actor_id)
            && (self.targets.is_empty() || self.targets.contains(&target))
    }
}

#[derive(Debug)]
pub(super) struct WatchCommentsInput {
    pub(super) project_id: Uuid,
    pub(super) filter: EventFilter,
    pub(super) resume_token: String,
}

impl TryFrom<pb::WatchCommentsRequest> for WatchCommentsInput {
    type Error = Error;

    fn try_from(request: pb::WatchCommentsRequest) -> Result<Self> {
        let filter = request.filter.unwrap_or_default();
        let mut v = Violations::new();
        let project_id = v.uuid("project_id", &request.project_id);
        let operations = v.enums("filter.kinds", &filter.kinds);
        let actor_id = v.optional_uuid("filter.actor_id", &filter.actor_id);
        v.at_most("filter.targets", filter.targets.len(), MAX_BATCH);
        let targets = filter.targets.into_iter().take(MAX_BATCH).enumerate();
        let targets = targets
            .map(|(index, target)| target_at(&mut v, &format!("filter.targets[{index}]"), Some(target)));
        let filter = EventFilter { operations, actor_id, targets: targets.collect() };
        v.finish()?;
        Ok(Self { project_id, filter, resume_token: request.resume_token })
    }
}

/// One caller's watch of a project's comments.
pub(super) struct CommentWatch {
    pub(super) authorizer: Authorizer,
    pub(super) caller: Caller,
    pub(super) project_id: Uuid,
    pub(super) filter: EventFilter,
}

impl Subject for CommentWatch {
    type Event = pb::CommentEvent;
    const ACCESS_TABLES: AccessTables = AccessTables::Copied(NAME);

    async fn admit(&self) -> Result<()> {
        let target = AccessTarget::project(self.project_id);
        let begun = self.authorizer.begin(&self.caller, &target, CommentRead, |_| async { Ok(()) }.boxed());
        begun.await?.finish();
        Ok(())
    }

    fn is_access_trusted(&self) -> bool {
        self.authorizer.is_trusted()
    }

    async fn to_event(&self, record: &Record) -> Result<Option<pb::CommentEvent>> {
        event(record, self.project_id, &self.filter)
    }
}

/// The event of a change; `None` if it is none of comments or does not match the filter.
pub(crate) fn event(
    record: &Record,
    project_id: Uuid,
    filter: &EventFilter,
) -> Result<Option<pb::CommentEvent>> {
    match record.entity.as_str() {
        COMMENTS => comment_event(record, project_id, filter),
        REACTIONS => reaction_event(record, project_id, filter),
        _ => Ok(None),
    }
}

fn comment_event(
    record: &Record,
    project_id: Uuid,
    filter: &EventFilter,
) -> Result<Option<pb::CommentEvent>> {
    let (before, after): (Option<Comment>, Option<Comment>) = (record.before()?, record.after()?);
    let Some(target) = after.as_ref().or(before.as_ref()).map(Comment::target) else { return Ok(None) };
    let mut changed: Vec<String> = record.changed_columns().filter_map(field_of).map(str::to_owned).collect();
    changed.dedup();
    let is_unchanged = record.operation == Operation::Update && changed.is_empty();
    if is_unchanged || !filter.matches(record, target) {
        return Ok(None);
    }
    let after = after.map(|comment| Comment { row_version: record.row_version(), ..comment });
    let comment = pb::CommentChange {
        before: before.map(|comment| pb::Comment { etag: String::new(), ..comment.into() }),
        after: after.map(Into::into),
    };
    Ok(Some(pb::CommentEvent {
        change: Some(record.to_change(ResourceType::Comment, project_id, changed)),
        resource: Some(Resource::Comment(comment)),
    }))
}

fn reaction_event(
    record: &Record,
    project_id: Uuid,
    filter: &EventFilter,
) -> Result<Option<pb::CommentEvent>> {
    let (before, after): (Option<Reaction>, Option<Reaction>) = (record.before()?, record.after()?);
    let Some(reaction) = after.or(before) else { return Ok(None) };
    let target = ContentTarget { entity_type: reaction.entity_type, id: reaction.entity_id };
    if !filter.matches(record, target) {
        return Ok(None);
    }
    let change = record.to_change(ResourceType::CommentReaction, project_id, Vec::new());
    let reaction = pb::ReactionChange {
        comment_id: reaction.comment_id.to_string(),
        emoji: reaction.emoji,
        user_id: reaction.user_id.to_string(),
    };
    Ok(Some(pb::CommentEvent { change: Some(change), resource: Some(Resource::Reaction(reaction)) }))
}

/// The field of the API that a column belongs to. Those of an anchor stand together.
fn field_of(column: &str) -> Option<&str> {
    if column.starts_with("anchor_") {
        Some("anchor")
    } else {
        FIELDS.into_iter().find(|field| *field == column)
    }
}

/// A reaction as the change log has it.
#[derive(Deserialize)]
struct Reaction {
    comment_id: Uuid,
    entity_type: EntityType,
    entity_id: Uuid,
    user_id: Uuid,
    emoji: String,
}
