//! Webhooks: the events of a project as signed HTTP requests (<https://www.standardwebhooks.com>).
//!
//! [`fan_out`] queues a delivery for each webhook in the transaction that follows an event, so none is lost or queued
//! twice. [`sender`] sends what is due: at least once, and the deliveries of one resource in order. A delivery that fails is
//! tried again for three days; an endpoint that takes nothing in that time is paused, and the owner told by mail.
//!
//! Requests go only to public addresses, checked after the name was resolved ([`client`]).

mod addresses;
mod client;
mod deliveries;
pub(crate) mod email;
mod fan_out;
mod notices;
mod options;
mod payload;
mod queries;
mod queue;
pub(crate) mod rpc;
mod secrets;
mod sender;
mod wire;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use proto::common::{ChangeKind, ResourceType};
use shared::access::Permission;
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use uuid::Uuid;

use crate::schema::{DeliveryStatus, PauseReason, WebhookStatus};
use crate::schema::{webhook_deliveries, webhook_messages, webhooks};

pub(crate) use fan_out::FanOut;
pub use options::WebhookOptions;
pub(crate) use secrets::WebhookSecrets;
pub(crate) use sender::Sender;

pub(crate) const MAX_WEBHOOKS_PER_PROJECT: i64 = 20;
pub(crate) const MAX_DESCRIPTION_CHARS: usize = 1000;
/// Deliveries of one webhook that wait.
pub(crate) const MAX_PENDING_DELIVERIES: i64 = 10_000;
pub(crate) const MAX_OVERLAP: TimeDelta = TimeDelta::days(7);
pub(crate) const DEFAULT_OVERLAP: TimeDelta = TimeDelta::hours(24);
/// How long deliveries are kept.
pub(crate) const RETENTION: TimeDelta = TimeDelta::days(30);
/// The type of the event that SendTestEvent sends.
pub(crate) const TEST_EVENT: &str = "webhook.test";

/// Attempts for a delivery: with the delays between, over three days.
pub(crate) const MAX_ATTEMPTS: i32 = 15;
const FIRST_RETRY_DELAY: TimeDelta = TimeDelta::seconds(10);
const RETRY_FACTOR: i32 = 3;
const MAX_RETRY_DELAY: TimeDelta = TimeDelta::hours(12);
/// An endpoint that took nothing for so long is paused.
pub(crate) const MAX_FAILING_TIME: TimeDelta = TimeDelta::days(3);
/// The longest pause between attempts at an endpoint, whatever the delivery.
const MAX_ENDPOINT_DELAY: TimeDelta = TimeDelta::minutes(5);

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = webhooks, check_for_backend(Pg))]
pub(crate) struct Webhook {
    pub id: Uuid,
    pub project_id: Uuid,
    pub url: String,
    pub description: Option<String>,
    #[diesel(embed)]
    pub filter: EventFilter,
    pub status: WebhookStatus,
    pub pause_reason: Option<PauseReason>,
    /// The user on whose behalf it sends.
    pub maintainer_id: Uuid,
    /// The number of its secret, from 1.
    pub generation: i32,
    pub former_secret_expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// Numbers of the enums of the proto; an empty list does not filter.
#[derive(Clone, Debug, Default, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhooks, check_for_backend(Pg))]
pub(crate) struct EventFilter {
    pub change_kinds: Vec<i32>,
    pub resource_types: Vec<i32>,
}

impl EventFilter {
    pub(crate) fn matches(&self, kind: ChangeKind, resource: ResourceType) -> bool {
        let is_among = |values: &[i32], value: i32| values.is_empty() || values.contains(&value);
        is_among(&self.change_kinds, kind.into()) && is_among(&self.resource_types, resource.into())
    }
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = webhooks)]
pub(crate) struct NewWebhook {
    pub id: Uuid,
    pub project_id: Uuid,
    pub url: String,
    pub description: Option<String>,
    #[diesel(embed)]
    pub filter: EventFilter,
    pub maintainer_id: Uuid,
}

/// What changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = webhooks)]
pub(crate) struct WebhookChange {
    pub url: Option<String>,
    pub description: Option<Option<String>>,
    pub change_kinds: Option<Vec<i32>>,
    pub resource_types: Option<Vec<i32>>,
    pub status: Option<WebhookStatus>,
    pub pause_reason: Option<Option<PauseReason>>,
    pub maintainer_id: Option<Uuid>,
    pub generation: Option<i32>,
    pub former_secret_expires_at: Option<Option<DateTime<Utc>>>,
}

/// A delivery, without the body of its request.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries, check_for_backend(Pg))]
pub(crate) struct Delivery {
    pub id: Uuid,
    pub webhook_id: Uuid,
    pub message_id: Uuid,
    #[diesel(select_expression = webhook_messages::event_type)]
    pub event_type: String,
    #[diesel(select_expression = webhook_messages::resource_id)]
    pub resource_id: Uuid,
    pub status: DeliveryStatus,
    pub attempts: i32,
    pub next_attempt_at: DateTime<Utc>,
    pub attempted_at: Option<DateTime<Utc>>,
    pub attempt_milliseconds: Option<i32>,
    pub response_status: Option<i32>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = webhook_messages)]
pub(crate) struct NewMessage {
    pub id: Uuid,
    pub project_id: Uuid,
    pub event_type: String,
    pub resource_id: Uuid,
    pub payload: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = webhook_deliveries)]
pub(crate) struct NewDelivery {
    pub id: Uuid,
    pub webhook_id: Uuid,
    pub message_id: Uuid,
    /// Deliveries of one webhook with the same key are sent in order.
    pub order_key: Uuid,
    pub next_attempt_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

impl Webhook {
    pub(crate) fn require_active(&self) -> Result<()> {
        match self.status {
            WebhookStatus::Active => Ok(()),
            WebhookStatus::Paused => {
                Err(Error::precondition(ErrorReason::WebhookPaused, "the webhook is paused; resume it first"))
            }
        }
    }
}

/// Fails when the project has the maximum of webhooks.
pub(crate) fn check_count(webhooks: i64) -> Result<()> {
    if webhooks < MAX_WEBHOOKS_PER_PROJECT {
        return Ok(());
    }
    Err(Error::Precondition {
        reason: ErrorReason::TooManyWebhooks,
        message: "the project has the maximum of webhooks".to_owned(),
        metadata: vec![("limit", MAX_WEBHOOKS_PER_PROJECT.to_string())],
    })
}

/// The permission that reading a change of this resource requires; `None` for one that is not sent.
pub(crate) fn read_permission(resource: ResourceType) -> Option<Permission> {
    Some(match resource {
        ResourceType::Project => Permission::ProjectRead,
        ResourceType::Member | ResourceType::OwnershipTransfer => Permission::MemberRead,
        ResourceType::Invitation => Permission::MemberManage,
        ResourceType::Task
        | ResourceType::TaskDependency
        | ResourceType::TimeEntry
        | ResourceType::Milestone => Permission::TaskRead,
        ResourceType::Document => Permission::DocumentRead,
        ResourceType::Comment | ResourceType::CommentReaction => Permission::CommentRead,
        ResourceType::Unspecified => return None,
    })
}

/// The permission that reading an event of this type requires; `None` for one that this version does not send.
pub(crate) fn permission_to_read(event_type: &str) -> Option<Permission> {
    if event_type == TEST_EVENT {
        return Some(Permission::Unspecified);
    }
    let (resource, _kind) = event_type.split_once('.')?;
    let resource = ResourceType::from_str_name(&format!("RESOURCE_TYPE_{}", resource.to_uppercase()))?;
    read_permission(resource)
}

/// The delay after a failed attempt, `None` after the last one. `jitter` is from 0 to 1.
pub(crate) fn retry_delay(attempts: i32, jitter: f64) -> Option<TimeDelta> {
    if attempts >= MAX_ATTEMPTS {
        return None;
    }
    let factor = RETRY_FACTOR.saturating_pow(u32::try_from(attempts - 1).unwrap_or_default());
    let delay = (FIRST_RETRY_DELAY * factor.min(MAX_RETRY_DELAY.num_seconds() as i32)).min(MAX_RETRY_DELAY);
    Some(with_jitter(delay, jitter))
}

/// The delay until another delivery is sent to an endpoint that failed so often in a row.
pub(crate) fn endpoint_delay(failures: i32, jitter: f64) -> TimeDelta {
    let seconds = 2_i32.saturating_pow(u32::try_from(failures - 1).unwrap_or_default());
    with_jitter(TimeDelta::seconds(seconds.into()).min(MAX_ENDPOINT_DELAY), jitter)
}

/// From 90 to 110 percent.
fn with_jitter(delay: TimeDelta, jitter: f64) -> TimeDelta {
    let milliseconds = delay.num_milliseconds() as f64 * (0.9 + 0.2 * jitter);
    TimeDelta::milliseconds(milliseconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_spread_over_three_to_four_days() {
        for (jitter, at_least, at_most) in [(0.0, 72, 80), (0.5, 78, 84), (1.0, 84, 96)] {
            let delays = (1..MAX_ATTEMPTS).map(|attempts| retry_delay(attempts, jitter).unwrap());
            let hours = delays.sum::<TimeDelta>().num_hours();
            assert!((at_least..=at_most).contains(&hours), "{jitter}: {hours}");
        }
        assert_eq!(retry_delay(1, 0.5), Some(TimeDelta::seconds(10)));
        assert_eq!(retry_delay(2, 0.5), Some(TimeDelta::seconds(30)));
        assert_eq!(retry_delay(MAX_ATTEMPTS, 0.5), None);
    }

    #[test]
    fn an_endpoint_that_fails_is_left_alone_for_minutes_at_most() {
        assert_eq!(endpoint_delay(1, 0.5), TimeDelta::seconds(1));
        assert_eq!(endpoint_delay(4, 0.5), TimeDelta::seconds(8));
        assert_eq!(endpoint_delay(i32::MAX, 0.5), MAX_ENDPOINT_DELAY);
    }

    #[test]
    fn the_type_of_an_event_names_the_permission_to_read_it() {
        assert_eq!(permission_to_read("task_dependency.deleted"), Some(Permission::TaskRead));
        assert_eq!(permission_to_read("invitation.created"), Some(Permission::MemberManage));
        assert_eq!(permission_to_read(TEST_EVENT), Some(Permission::Unspecified));
        assert_eq!(permission_to_read("webhook.created"), None);
    }

    #[test]
    fn a_filter_matches_kinds_and_resources() {
        let filter = EventFilter {
            change_kinds: vec![ChangeKind::Created.into()],
            resource_types: vec![ResourceType::Task.into(), ResourceType::Comment.into()],
        };
        assert!(filter.matches(ChangeKind::Created, ResourceType::Comment));
        assert!(!filter.matches(ChangeKind::Deleted, ResourceType::Comment));
        assert!(!filter.matches(ChangeKind::Created, ResourceType::Document));
        assert!(EventFilter::default().matches(ChangeKind::Deleted, ResourceType::Project));
    }
}
