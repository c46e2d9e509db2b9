//! Conversion of subscriptions from and to messages.

use proto::project::v1 as pb;
use proto::project::v1::subscription_target;
use shared::error::{Error, Result};
use shared::json;
use shared::validation::Violations;
use uuid::Uuid;

use super::{Subscription, Target, TargetType};

/// The target of a request.
pub(super) fn required_target(target: Option<pb::SubscriptionTarget>) -> Result<Target> {
    let mut v = Violations::new();
    let is_given = target.is_some();
    let (target_type, id) = match target.unwrap_or_default().target {
        Some(subscription_target::Target::TaskId(id)) => (TargetType::Task, v.uuid("target.task_id", &id)),
        Some(subscription_target::Target::DocumentId(id)) => {
            (TargetType::Document, v.uuid("target.document_id", &id))
        }
        Some(subscription_target::Target::ProjectId(id)) => {
            (TargetType::Project, v.uuid("target.project_id", &id))
        }
        None => {
            let field = if is_given { "target.target" } else { "target" };
            v.add(field, "must be a task, a document or a project");
            (TargetType::Project, Uuid::nil())
        }
    };
    v.finish()?;
    Ok(Target { target_type, id })
}

impl From<Target> for pb::SubscriptionTarget {
    fn from(target: Target) -> Self {
        let id = target.id.to_string();
        let target = match target.target_type {
            TargetType::Task => subscription_target::Target::TaskId(id),
            TargetType::Document => subscription_target::Target::DocumentId(id),
            TargetType::Project => subscription_target::Target::ProjectId(id),
        };
        Self { target: Some(target) }
    }
}

/// A validated [`pb::ListSubscriptionsRequest`].
pub(super) struct ListSubscriptionsInput {
    pub project_id: Option<Uuid>,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListSubscriptionsRequest> for ListSubscriptionsInput {
    type Error = Error;

    fn try_from(request: pb::ListSubscriptionsRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let project_id = v.optional_uuid("project_id", &request.project_id);
        v.finish()?;
        Ok(Self { project_id, page_size: request.page_size, page_token: request.page_token })
    }
}

impl From<Subscription> for pb::Subscription {
    fn from(subscription: Subscription) -> Self {
        Self {
            target: Some(subscription.target.into()),
            project_id: subscription.project_id.to_string(),
            reason: subscription.reason.into(),
            created_at: Some(json::to_timestamp(subscription.created_at)),
        }
    }
}
