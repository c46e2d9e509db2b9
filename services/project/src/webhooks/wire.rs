//! Conversion of webhooks from and to messages.

use chrono::TimeDelta;
use prost_types::Duration;
use proto::common::ResourceType;
use proto::project::v1 as pb;
use shared::change_log::{Operation, resource_types};
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::validation::{Mask, Violations};
use shared::{etag, json};
use uuid::Uuid;

use super::client::parse_url;
use super::sender::message_id;
use super::{
    DEFAULT_OVERLAP, Delivery, EventFilter, MAX_DESCRIPTION_CHARS, MAX_OVERLAP, NewWebhook, Webhook,
    WebhookChange, WebhookOptions,
};
use crate::schema::DeliveryStatus;
use proto::common::ChangeKind;

/// The fields that UpdateWebhook changes.
const CHANGEABLE: &[&str] = &["url", "description", "filter"];
/// What a filter can name.
const RESOURCE_TYPES: [ResourceType; 11] = [
    ResourceType::Project,
    ResourceType::Member,
    ResourceType::Invitation,
    ResourceType::OwnershipTransfer,
    ResourceType::Task,
    ResourceType::TaskDependency,
    ResourceType::Document,
    ResourceType::Comment,
    ResourceType::CommentReaction,
    ResourceType::TimeEntry,
    ResourceType::Milestone,
];

/// A validated [`pb::CreateWebhookRequest`].
pub(super) struct CreateWebhookInput {
    pub key: Option<RequestKey>,
    pub webhook: NewWebhook,
}

impl CreateWebhookInput {
    pub(super) fn of(
        request: pb::CreateWebhookRequest,
        maintainer_id: Uuid,
        options: WebhookOptions,
    ) -> Result<Self> {
        let mut all = Violations::new();
        let key = RequestKey::of(&mut all, &request.request_id, &request);
        let webhook = all.message("webhook", request.webhook);
        let mut v = Violations::within("webhook.");
        let webhook = NewWebhook {
            id: v.uuid_or_new("id", &webhook.id),
            project_id: v.uuid("project_id", &webhook.project_id),
            url: url(&mut v, webhook.url, options),
            description: v.optional_text("description", webhook.description, MAX_DESCRIPTION_CHARS),
            filter: filter(&mut v, webhook.filter.unwrap_or_default()),
            maintainer_id,
        };
        all.absorb(v);
        all.finish()?;
        Ok(Self { key, webhook })
    }
}

fn url(v: &mut Violations, url: String, options: WebhookOptions) -> String {
    let Some(url) = v.optional_url("url", Some(url)) else {
        v.add("url", "must not be empty");
        return String::new();
    };
    if let Err(violation) = parse_url(&url, options) {
        v.add("url", violation);
    }
    url
}

fn filter(outer: &mut Violations, filter: pb::WebhookFilter) -> EventFilter {
    let mut v = Violations::within("webhook.filter.");
    let kinds: Vec<Operation> = v.enums("kinds", &filter.kinds);
    let resource_types = resource_types(&mut v, "resource_types", &filter.resource_types, &RESOURCE_TYPES);
    outer.absorb(v);
    EventFilter {
        change_kinds: kinds.into_iter().map(|kind| ChangeKind::from(kind).into()).collect(),
        resource_types: resource_types.into_iter().map(i32::from).collect(),
    }
}

/// A validated [`pb::UpdateWebhookRequest`].
pub(super) struct UpdateWebhookInput {
    pub id: Uuid,
    pub etag: String,
    /// `None` if the update changes nothing.
    pub change: Option<WebhookChange>,
}

impl UpdateWebhookInput {
    pub(super) fn of(request: pb::UpdateWebhookRequest, options: WebhookOptions) -> Result<Self> {
        let mut v = Violations::within("webhook.");
        let webhook = v.message("webhook", request.webhook);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let id = v.resource_uuid("id", &webhook.id);
        v.optional_uuid("project_id", &webhook.project_id);
        let url = mask.pick("url", webhook.url, |value| url(&mut v, value, options));
        let description = mask.pick("description", webhook.description, |description| {
            v.optional_text("description", description, MAX_DESCRIPTION_CHARS)
        });
        let pb::WebhookFilter { kinds, resource_types } = webhook.filter.unwrap_or_default();
        let filter = mask.pick("filter", (kinds, resource_types), |(kinds, resource_types)| {
            filter(&mut v, pb::WebhookFilter { kinds, resource_types })
        });
        v.finish()?;
        let (change_kinds, resource_types) =
            filter.map(|filter| (filter.change_kinds, filter.resource_types)).unzip();
        let change =
            WebhookChange { url, description, change_kinds, resource_types, ..WebhookChange::default() };
        Ok(Self { id, etag: webhook.etag, change: mask.has_changes().then_some(change) })
    }
}

/// A validated [`pb::RotateWebhookSecretRequest`].
pub(super) struct RotateSecretInput {
    pub key: Option<RequestKey>,
    pub id: Uuid,
    pub etag: String,
    pub overlap: TimeDelta,
}

impl TryFrom<pb::RotateWebhookSecretRequest> for RotateSecretInput {
    type Error = Error;

    fn try_from(request: pb::RotateWebhookSecretRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let id = v.uuid("webhook_id", &request.webhook_id);
        let overlap: Option<Duration> = request.overlap;
        let overlap = v.optional_duration("overlap", overlap, TimeDelta::zero()..=MAX_OVERLAP);
        v.finish()?;
        Ok(Self { key, id, etag: request.etag, overlap: overlap.unwrap_or(DEFAULT_OVERLAP) })
    }
}

/// A validated request that queues a delivery, about a webhook or an earlier delivery.
pub(super) struct QueueDeliveryInput {
    pub key: Option<RequestKey>,
    pub id: Uuid,
}

impl TryFrom<pb::SendTestEventRequest> for QueueDeliveryInput {
    type Error = Error;

    fn try_from(request: pb::SendTestEventRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let id = v.uuid("webhook_id", &request.webhook_id);
        v.finish()?;
        Ok(Self { key, id })
    }
}

impl TryFrom<pb::RedeliverWebhookRequest> for QueueDeliveryInput {
    type Error = Error;

    fn try_from(request: pb::RedeliverWebhookRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let id = v.uuid("webhook_delivery_id", &request.webhook_delivery_id);
        v.finish()?;
        Ok(Self { key, id })
    }
}

/// A validated [`pb::ListWebhooksRequest`] or [`pb::ListWebhookDeliveriesRequest`].
#[derive(Debug)]
pub(super) struct ListInput {
    /// Of the project or the webhook.
    pub id: Uuid,
    pub statuses: Vec<DeliveryStatus>,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListWebhooksRequest> for ListInput {
    type Error = Error;

    fn try_from(request: pb::ListWebhooksRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let id = v.uuid("project_id", &request.project_id);
        v.finish()?;
        let (page_size, page_token) = (request.page_size, request.page_token);
        Ok(Self { id, statuses: Vec::new(), page_size, page_token })
    }
}

impl TryFrom<pb::ListWebhookDeliveriesRequest> for ListInput {
    type Error = Error;

    fn try_from(request: pb::ListWebhookDeliveriesRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let id = v.uuid("webhook_id", &request.webhook_id);
        let statuses = v.enums("statuses", &request.statuses);
        v.finish()?;
        Ok(Self { id, statuses, page_size: request.page_size, page_token: request.page_token })
    }
}

pub(super) fn read_id(field: &str, value: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid(field, value);
    v.finish()?;
    Ok(id)
}

impl From<Webhook> for pb::Webhook {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            project_id: webhook.project_id.to_string(),
            url: webhook.url,
            description: webhook.description,
            filter: Some(pb::WebhookFilter {
                kinds: webhook.filter.change_kinds,
                resource_types: webhook.filter.resource_types,
            }),
            status: webhook.status.into(),
            pause_reason: webhook.pause_reason.map(i32::from).unwrap_or_default(),
            maintainer_id: webhook.maintainer_id.to_string(),
            former_secret_expires_at: webhook.former_secret_expires_at.map(json::to_timestamp),
            created_at: Some(json::to_timestamp(webhook.created_at)),
            updated_at: Some(json::to_timestamp(webhook.updated_at)),
            etag: etag::of(webhook.version),
        }
    }
}

impl From<Delivery> for pb::WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        let is_pending = delivery.status == DeliveryStatus::Pending;
        let milliseconds = delivery.attempt_milliseconds;
        Self {
            id: delivery.id.to_string(),
            webhook_id: delivery.webhook_id.to_string(),
            message_id: message_id(delivery.message_id),
            event_type: delivery.event_type,
            resource_id: delivery.resource_id.to_string(),
            status: delivery.status.into(),
            attempts: delivery.attempts,
            next_attempt_at: is_pending.then(|| json::to_timestamp(delivery.next_attempt_at)),
            attempted_at: delivery.attempted_at.map(json::to_timestamp),
            attempt_duration: milliseconds.map(|milliseconds| Duration {
                seconds: i64::from(milliseconds / 1000),
                nanos: (milliseconds % 1000) * 1_000_000,
            }),
            response_status: delivery.response_status.unwrap_or_default(),
            failure: delivery.failure.unwrap_or_default(),
            created_at: Some(json::to_timestamp(delivery.created_at)),
            payload: String::new(),
        }
    }
}
