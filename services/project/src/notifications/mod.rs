//! The inbox of each user: what happened to what the user is subscribed to.
//!
//! Notifications are made from the events of all services, in the transaction that moves the position in them, so that each
//! is made once. Whether a user may read one is decided when it is read. The newest of each user are kept.

mod activity;
pub(crate) mod fan_out;
mod queries;
pub(crate) mod rpc;
pub(crate) mod tail;
mod watch;
mod wire;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::schema::{NotificationKind, SqlNotificationKind, SqlSubscriptionReason, SubscriptionReason};
use crate::subscriptions::Target;

/// Most notifications in an inbox: older ones are deleted.
const MAX_NOTIFICATIONS: i64 = 1_000;
/// Most projects in a filter.
const MAX_FILTER_PROJECTS: usize = 100;

#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
struct Notification {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = SqlNotificationKind)]
    kind: NotificationKind,
    #[diesel(sql_type = SqlSubscriptionReason)]
    reason: SubscriptionReason,
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
    #[diesel(embed)]
    target: Target,
    /// The comment on the target; `None` if the target itself changed.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    comment_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    actor_id: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    sequence: i64,
    #[diesel(sql_type = Timestamptz)]
    changed_at: DateTime<Utc>,
    /// Empty for something new.
    #[diesel(sql_type = Array<Text>)]
    changed_fields: Vec<String>,
    #[diesel(sql_type = Bool)]
    is_read: bool,
}

/// Which notifications to list. Fields that are empty do not filter; all others must match.
#[derive(Clone, Debug, Default)]
struct NotificationFilter {
    is_read: Option<bool>,
    project_ids: Vec<Uuid>,
    kinds: Vec<NotificationKind>,
}

/// How far an inbox is filled and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
struct InboxPositions {
    #[diesel(sql_type = BigInt)]
    last_position: i64,
    #[diesel(sql_type = BigInt)]
    read_position: i64,
}
