//! What the events of the services mean for inboxes.
//!
//! Changes without an actor, as imports, notify nobody.

use chrono::{DateTime, Utc};
use proto::common::{Change, ChangeKind};
use proto::content::v1::{CommentEvent, DocumentEvent, comment_event, document_event};
use proto::project::v1::{ProjectEvent, project_event};
use proto::task::v1::{TaskEvent, task_event};
use serde::Serialize;
use shared::json::from_timestamp;
use uuid::Uuid;

use crate::events::EventPayload;
use crate::schema::{NotificationKind, SubscriptionReason};
use crate::subscriptions::{Target, TargetType};

/// Most names of fields in a notification.
pub(super) const MAX_CHANGED_FIELDS: usize = 30;
/// Fields that change beside others, or by themselves without anybody's interest.
const SILENT_FIELDS: [&str; 3] = ["updated_at", "rank", "archived_at"];

/// The effect of an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    Notify(Activity),
    /// What is deleted is no longer shown.
    Forget(Deletion),
}

impl Effect {
    /// `None` for an event that has none.
    pub(super) fn of(event: &EventPayload) -> Option<Self> {
        match event {
            EventPayload::Project(event) => of_project(event),
            EventPayload::Task(event) => of_task(event),
            EventPayload::Document(event) => of_document(event),
            EventPayload::Comment(event) => of_comment(event),
        }
    }
}

/// Something that happened, of which users are notified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Activity {
    pub project_id: Uuid,
    #[serde(flatten)]
    pub target: Target,
    pub comment_id: Option<Uuid>,
    pub actor_id: Uuid,
    pub sequence: i64,
    pub changed_at: DateTime<Utc>,
    pub changed_fields: Vec<String>,
    /// What subscribers are notified of; `None` if only those whom it concerns are.
    pub kind: Option<NotificationKind>,
    /// Users who are subscribed from now on.
    #[serde(skip)]
    pub concerned: Vec<NewSubscriber>,
}

/// A user whom an event subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewSubscriber {
    pub user_id: Uuid,
    pub reason: SubscriptionReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deletion {
    Project(Uuid),
    Target { project_id: Uuid, target: Target },
    Comment { project_id: Uuid, target: Target, comment_id: Uuid },
}

impl Activity {
    /// A change of a target by a user; `None` if nobody is interested.
    fn of(change: &Change, target_type: TargetType) -> Option<Self> {
        let changed = change.changed_fields.iter();
        let changed_fields: Vec<String> = changed
            .filter(|field| !SILENT_FIELDS.contains(&field.as_str()))
            .take(MAX_CHANGED_FIELDS)
            .cloned()
            .collect();
        let kind = match change.kind() {
            ChangeKind::Created => NotificationKind::Creation,
            ChangeKind::Updated if !changed_fields.is_empty() => NotificationKind::Update,
            _ => return None,
        };
        Some(Self {
            project_id: change.project_id.parse().ok()?,
            target: Target { target_type, id: change.resource_id.parse().ok()? },
            comment_id: None,
            actor_id: change.actor_id.parse().ok()?,
            sequence: change.sequence,
            changed_at: from_timestamp(change.changed_at?)?,
            changed_fields,
            kind: Some(kind),
            concerned: Vec::new(),
        })
    }

    /// Subscribes the actor of a creation.
    fn with_creator(mut self) -> Self {
        if self.kind == Some(NotificationKind::Creation) {
            self.concern(self.actor_id, SubscriptionReason::Creator);
        }
        self
    }

    fn concern(&mut self, user_id: Uuid, reason: SubscriptionReason) {
        self.concerned.push(NewSubscriber { user_id, reason });
    }
}

/// The deletion of a target; `None` for another change.
fn deletion(change: &Change, target_type: TargetType) -> Option<Effect> {
    if change.kind() != ChangeKind::Deleted {
        return None;
    }
    let target = Target { target_type, id: change.resource_id.parse().ok()? };
    Some(Effect::Forget(match target_type {
        TargetType::Project => Deletion::Project(target.id),
        _ => Deletion::Target { project_id: change.project_id.parse().ok()?, target },
    }))
}

fn of_project(event: &ProjectEvent) -> Option<Effect> {
    let change = event.change.as_ref()?;
    let Some(project_event::Resource::Project(_)) = &event.resource else { return None };
    deletion(change, TargetType::Project)
        .or_else(|| Some(Effect::Notify(Activity::of(change, TargetType::Project)?.with_creator())))
}

fn of_task(event: &TaskEvent) -> Option<Effect> {
    let change = event.change.as_ref()?;
    let Some(task_event::Resource::Task(states)) = &event.resource else { return None };
    if let Some(deleted) = deletion(change, TargetType::Task) {
        return Some(deleted);
    }
    let mut activity = Activity::of(change, TargetType::Task)?.with_creator();
    let before = states.before.as_ref().and_then(|task| task.assignee_id.as_ref());
    let after = states.after.as_ref().and_then(|task| task.assignee_id.as_ref());
    if let Some(assignee) = after.filter(|_| before != after) {
        activity.concern(assignee.parse().ok()?, SubscriptionReason::Assignee);
    }
    Some(Effect::Notify(activity))
}

fn of_document(event: &DocumentEvent) -> Option<Effect> {
    let change = event.change.as_ref()?;
    let Some(document_event::Resource::Document(_)) = &event.resource else { return None };
    deletion(change, TargetType::Document)
        .or_else(|| Some(Effect::Notify(Activity::of(change, TargetType::Document)?.with_creator())))
}

/// A new comment notifies the subscribers of its target and whom it mentions; an edited one only whom it mentions now and
/// did not before.
fn of_comment(event: &CommentEvent) -> Option<Effect> {
    let change = event.change.as_ref()?;
    let Some(comment_event::Resource::Comment(states)) = &event.resource else { return None };
    let comment = states.after.as_ref().or(states.before.as_ref())?;
    let target = commented(comment)?;
    let comment_id = comment.id.parse().ok()?;
    let is_deleted = states.after.as_ref().is_none_or(|after| after.deleted_at.is_some());
    if is_deleted {
        let project_id = change.project_id.parse().ok()?;
        return Some(Effect::Forget(Deletion::Comment { project_id, target, comment_id }));
    }
    let mut activity = Activity::of(change, target.target_type)?;
    activity.target = target;
    activity.comment_id = Some(comment_id);
    let is_new = activity.kind == Some(NotificationKind::Creation);
    activity.kind = is_new.then_some(NotificationKind::Comment);
    let before =
        states.before.as_ref().map(|before| before.mentioned_user_ids.as_slice()).unwrap_or_default();
    for user in comment.mentioned_user_ids.iter().filter(|user| !before.contains(user)) {
        activity.concern(user.parse().ok()?, SubscriptionReason::Mentioned);
    }
    (is_new || !activity.concerned.is_empty()).then_some(Effect::Notify(activity))
}

fn commented(comment: &proto::content::v1::Comment) -> Option<Target> {
    use proto::content::v1::content_target::Target as Commented;
    let (target_type, id) = match comment.target.as_ref()?.target.as_ref()? {
        Commented::TaskId(id) => (TargetType::Task, id),
        Commented::DocumentId(id) => (TargetType::Document, id),
        Commented::ProjectId(id) => (TargetType::Project, id),
    };
    Some(Target { target_type, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use proto::content::v1 as content;
    use proto::task::v1 as task;

    use super::*;

    fn id(number: u128) -> String {
        Uuid::from_u128(number).to_string()
    }

    fn change(kind: ChangeKind, fields: &[&str]) -> Change {
        Change {
            kind: kind.into(),
            resource_id: id(1),
            project_id: id(2),
            actor_id: id(3),
            changed_at: Some(Timestamp::default()),
            changed_fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            ..Default::default()
        }
    }

    fn task_event(change: Change, assignees: [Option<u128>; 2]) -> TaskEvent {
        let [before, after] =
            assignees.map(|user| Some(task::Task { assignee_id: user.map(id), ..Default::default() }));
        let states = task::TaskChange { before, after };
        TaskEvent { change: Some(change), resource: Some(task_event::Resource::Task(states)) }
    }

    fn comment(mentioned: &[u128]) -> content::Comment {
        content::Comment {
            id: id(4),
            target: Some(content::ContentTarget {
                target: Some(content::content_target::Target::TaskId(id(1))),
            }),
            mentioned_user_ids: mentioned.iter().copied().map(id).collect(),
            ..Default::default()
        }
    }

    fn comment_event(
        change: Change,
        before: Option<content::Comment>,
        after: Option<content::Comment>,
    ) -> CommentEvent {
        let states = content::CommentChange { before, after };
        CommentEvent { change: Some(change), resource: Some(comment_event::Resource::Comment(states)) }
    }

    type Summary = (Option<NotificationKind>, Vec<(u128, SubscriptionReason)>);

    /// What subscribers are notified of, and whom an event concerns.
    fn summary(effect: Option<Effect>) -> Option<Summary> {
        match effect? {
            Effect::Notify(activity) => {
                let concerned = activity.concerned.iter().map(|one| (one.user_id.as_u128(), one.reason));
                Some((activity.kind, concerned.collect()))
            }
            Effect::Forget(deletion) => panic!("{deletion:?}"),
        }
    }

    #[test]
    fn a_task_concerns_its_creator_and_a_new_assignee() {
        use NotificationKind::{Creation, Update};
        use SubscriptionReason::{Assignee, Creator};
        let created = task_event(change(ChangeKind::Created, &[]), [None, Some(5)]);
        let both = vec![(3, Creator), (5, Assignee)];
        assert_eq!(summary(of_task(&created)), Some((Some(Creation), both)));
        let updated =
            |fields, assignees| summary(of_task(&task_event(change(ChangeKind::Updated, fields), assignees)));
        assert_eq!(updated(&["assignee_id"], [Some(5), Some(6)]), Some((Some(Update), vec![(6, Assignee)])));
        assert_eq!(updated(&["title", "updated_at"], [Some(5), Some(5)]), Some((Some(Update), Vec::new())));
        assert_eq!(updated(&["assignee_id"], [Some(5), None]), Some((Some(Update), Vec::new())));
        assert_eq!(updated(&["rank", "updated_at"], [None, None]), None);
    }

    #[test]
    fn a_change_without_an_actor_notifies_nobody() {
        let imported = Change { actor_id: String::new(), ..change(ChangeKind::Created, &[]) };
        assert_eq!(summary(of_task(&task_event(imported, [None, Some(5)]))), None);
    }

    #[test]
    fn an_edited_comment_concerns_whom_it_did_not_mention_before() {
        use SubscriptionReason::Mentioned;
        let new = comment_event(change(ChangeKind::Created, &[]), None, Some(comment(&[5])));
        let kind = Some(NotificationKind::Comment);
        assert_eq!(summary(of_comment(&new)), Some((kind, vec![(5, Mentioned)])));
        let edited = |mentioned: &[u128]| {
            let fields = ["mentioned_user_ids", "version"];
            let (before, after) = (Some(comment(&[5])), Some(comment(mentioned)));
            summary(of_comment(&comment_event(change(ChangeKind::Updated, &fields), before, after)))
        };
        assert_eq!(edited(&[5, 6]), Some((None, vec![(6, Mentioned)])));
        assert_eq!(edited(&[5]), None);
    }

    #[test]
    fn what_is_deleted_is_forgotten() {
        let project_id = Uuid::from_u128(2);
        let target = Target { target_type: TargetType::Task, id: Uuid::from_u128(1) };
        let deleted = task_event(change(ChangeKind::Deleted, &[]), [None, None]);
        let gone = Deletion::Target { project_id, target };
        assert_eq!(of_task(&deleted), Some(Effect::Forget(gone)));
        let after = content::Comment { deleted_at: Some(Timestamp::default()), ..comment(&[]) };
        let tombstone =
            comment_event(change(ChangeKind::Updated, &["deleted_at"]), Some(comment(&[5])), Some(after));
        let with_target = comment_event(change(ChangeKind::Deleted, &[]), Some(comment(&[5])), None);
        let gone = Deletion::Comment { project_id, target, comment_id: Uuid::from_u128(4) };
        for event in [tombstone, with_target] {
            assert_eq!(of_comment(&event), Some(Effect::Forget(gone)));
        }
    }
}
