//! Conversion of notifications from and to messages.

use proto::common::{Change, ChangeKind, ResourceType};
use proto::project::v1 as pb;
use shared::error::{Error, Result};
use shared::json;
use shared::validation::Violations;

use super::{MAX_FILTER_PROJECTS, Notification, NotificationFilter};
use crate::subscriptions::TargetType;

/// A validated [`pb::ListNotificationsRequest`].
pub(super) struct ListNotificationsInput {
    pub filter: NotificationFilter,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListNotificationsRequest> for ListNotificationsInput {
    type Error = Error;

    fn try_from(request: pb::ListNotificationsRequest) -> Result<Self> {
        let filter = request.filter.unwrap_or_default();
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let filter = NotificationFilter {
            is_read: filter.read,
            project_ids: v.uuids("filter.project_ids", &filter.project_ids, MAX_FILTER_PROJECTS),
            kinds: v.enums("filter.kinds", &filter.kinds),
        };
        v.finish()?;
        Ok(Self { filter, page_size: request.page_size, page_token: request.page_token })
    }
}

/// The position up to which to mark notifications.
pub(super) fn read_position(request: &pb::MarkNotificationsReadRequest) -> Result<i64> {
    if request.position < 1 {
        return Err(Error::invalid("position", "must be at least 1"));
    }
    Ok(request.position)
}

impl From<Notification> for pb::Notification {
    fn from(row: Notification) -> Self {
        let resource_type = match (row.comment_id, row.target.target_type) {
            (Some(_), _) => ResourceType::Comment,
            (None, TargetType::Task) => ResourceType::Task,
            (None, TargetType::Document) => ResourceType::Document,
            (None, TargetType::Project) => ResourceType::Project,
        };
        let kind = if row.changed_fields.is_empty() { ChangeKind::Created } else { ChangeKind::Updated };
        let change = Change {
            kind: kind.into(),
            resource_type: resource_type.into(),
            resource_id: row.comment_id.unwrap_or(row.target.id).to_string(),
            project_id: row.project_id.to_string(),
            sequence: row.sequence,
            changed_at: Some(json::to_timestamp(row.changed_at)),
            actor_id: row.actor_id.map(|id| id.to_string()).unwrap_or_default(),
            trace_id: String::new(),
            changed_fields: row.changed_fields,
        };
        Self {
            change: Some(change),
            position: row.position,
            kind: row.kind.into(),
            reason: row.reason.into(),
            target: Some(row.target.into()),
            read: row.is_read,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use prost::Message;
    use shared::page::MAX_PAGE_SIZE;
    use shared::server::MAX_MESSAGE_BYTES;
    use uuid::Uuid;

    use super::super::activity::MAX_CHANGED_FIELDS;
    use super::*;
    use crate::schema::{NotificationKind, SubscriptionReason};
    use crate::subscriptions::Target;

    fn notification(comment_id: Option<Uuid>, changed_fields: Vec<String>) -> Notification {
        Notification {
            position: i64::MAX,
            kind: NotificationKind::Update,
            reason: SubscriptionReason::Choice,
            project_id: Uuid::max(),
            target: Target { target_type: TargetType::Document, id: Uuid::from_u128(1) },
            comment_id,
            actor_id: Some(Uuid::max()),
            sequence: i64::MAX,
            changed_at: DateTime::<chrono::Utc>::MAX_UTC,
            changed_fields,
            is_read: true,
        }
    }

    #[test]
    fn the_envelope_is_about_the_comment_or_its_target() {
        let change = |comment, fields| pb::Notification::from(notification(comment, fields)).change.unwrap();
        let comment = change(Some(Uuid::from_u128(2)), Vec::new());
        assert_eq!((comment.kind(), comment.resource_type()), (ChangeKind::Created, ResourceType::Comment));
        assert_eq!(comment.resource_id, Uuid::from_u128(2).to_string());
        let document = change(None, vec!["title".to_owned()]);
        assert_eq!(
            (document.kind(), document.resource_type()),
            (ChangeKind::Updated, ResourceType::Document)
        );
        assert_eq!(document.resource_id, Uuid::from_u128(1).to_string());
    }

    #[test]
    fn the_largest_page_of_notifications_fits_into_a_message() {
        let fields = vec!["x".repeat(40); MAX_CHANGED_FIELDS];
        let message = pb::Notification::from(notification(Some(Uuid::max()), fields));
        let page = usize::try_from(MAX_PAGE_SIZE).unwrap() * (message.encoded_len() + 5);
        assert!(page < MAX_MESSAGE_BYTES / 2, "{page}");
    }
}
