//! Conversion of ownership transfers from and to messages.

use crate::schema::OfferStatus;
use chrono::{DateTime, TimeDelta, Utc};
use prost_types::Duration;
use proto::project::v1 as pb;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::validation::Violations;
use shared::{etag, json};
use uuid::Uuid;

use super::{Answer, DEFAULT_LIFETIME, MAX_LIFETIME, MIN_LIFETIME, NewTransfer, Transfer};

/// A validated [`pb::OfferOwnershipRequest`].
pub(crate) struct OfferOwnershipInput {
    pub key: Option<RequestKey>,
    pub transfer: NewTransfer,
}

impl OfferOwnershipInput {
    pub(crate) fn of(
        request: pb::OfferOwnershipRequest,
        from_user_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let to_user_id = v.uuid("user_id", &request.user_id);
        v.require(to_user_id != from_user_id, "user_id", "must not be the caller");
        let lifetime = lifetime(&mut v, request.lifetime);
        let transfer = NewTransfer {
            id: Uuid::now_v7(),
            project_id: v.uuid("project_id", &request.project_id),
            from_user_id,
            to_user_id,
            created_at: now,
            expires_at: now + lifetime,
        };
        v.finish()?;
        Ok(Self { key, transfer })
    }
}

/// The lifetime of a transfer or an invitation.
pub(crate) fn lifetime(v: &mut Violations, lifetime: Option<Duration>) -> TimeDelta {
    let lifetime = v.optional_duration("lifetime", lifetime, MIN_LIFETIME..=MAX_LIFETIME);
    lifetime.unwrap_or(DEFAULT_LIFETIME).clamp(MIN_LIFETIME, MAX_LIFETIME)
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TransferId {
    pub project_id: Uuid,
    pub id: Uuid,
}

impl TransferId {
    pub(crate) fn of(project_id: &str, transfer_id: &str) -> Result<Self> {
        let mut v = Violations::new();
        let id =
            Self { project_id: v.uuid("project_id", project_id), id: v.uuid("transfer_id", transfer_id) };
        v.finish()?;
        Ok(id)
    }
}

/// A validated answer to a transfer.
pub(crate) struct AnswerTransferInput {
    pub answer: Answer,
    pub id: TransferId,
    pub etag: String,
}

impl TryFrom<pb::AcceptOwnershipRequest> for AnswerTransferInput {
    type Error = Error;

    fn try_from(request: pb::AcceptOwnershipRequest) -> Result<Self> {
        let id = TransferId::of(&request.project_id, &request.transfer_id)?;
        Ok(Self { answer: Answer::Accept, id, etag: request.etag })
    }
}

impl TryFrom<pb::DeclineOwnershipRequest> for AnswerTransferInput {
    type Error = Error;

    fn try_from(request: pb::DeclineOwnershipRequest) -> Result<Self> {
        let id = TransferId::of(&request.project_id, &request.transfer_id)?;
        Ok(Self { answer: Answer::Decline, id, etag: request.etag })
    }
}

impl TryFrom<pb::WithdrawOwnershipRequest> for AnswerTransferInput {
    type Error = Error;

    fn try_from(request: pb::WithdrawOwnershipRequest) -> Result<Self> {
        let id = TransferId::of(&request.project_id, &request.transfer_id)?;
        Ok(Self { answer: Answer::Withdraw, id, etag: request.etag })
    }
}

/// A validated [`pb::ListOwnershipTransfersRequest`].
pub(crate) struct ListTransfersInput {
    /// `None` lists those from and to the caller.
    pub project_id: Option<Uuid>,
    pub statuses: Vec<OfferStatus>,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListOwnershipTransfersRequest> for ListTransfersInput {
    type Error = Error;

    fn try_from(request: pb::ListOwnershipTransfersRequest) -> Result<Self> {
        let mut v = Violations::new();
        let list = Self {
            project_id: v.optional_uuid("project_id", &request.project_id),
            statuses: v.enums("statuses", &request.statuses),
            page_size: request.page_size,
            page_token: request.page_token,
        };
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(list)
    }
}

impl Transfer {
    /// The message; the status depends on the time.
    pub(crate) fn to_wire(&self, now: DateTime<Utc>) -> pb::OwnershipTransfer {
        pb::OwnershipTransfer {
            id: self.id.to_string(),
            project_id: self.project_id.to_string(),
            from_user_id: self.from_user_id.to_string(),
            to_user_id: self.to_user_id.to_string(),
            status: self.status_at(now).into(),
            created_at: Some(json::to_timestamp(self.created_at)),
            expires_at: Some(json::to_timestamp(self.expires_at)),
            closed_at: self.closed_at.map(json::to_timestamp),
            etag: etag::of(self.version),
        }
    }
}
