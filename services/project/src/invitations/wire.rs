//! Conversion of invitations from and to messages.

use crate::schema::OfferStatus;
use chrono::{DateTime, TimeDelta, Utc};
use prost_types::Duration;
use proto::common::CodeDelivery;
use proto::project::backend::v1 as backend;
use proto::project::v1 as pb;
use shared::access::PermissionExceptions;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::validation::Violations;
use shared::{etag, json};
use uuid::Uuid;

use super::token::TokenClaim;
use super::{Invitation, NewInvitation};
use crate::members::wire::assignable_role;
use crate::ownership::wire::lifetime;

/// A validated [`pb::CreateInvitationRequest`].
pub(crate) struct CreateInvitationInput {
    pub key: Option<RequestKey>,
    pub invitation: NewInvitation,
}

impl CreateInvitationInput {
    pub(crate) fn of(
        request: pb::CreateInvitationRequest,
        inviter_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let invitation = new_invitation(&mut v, request.invitation, request.lifetime, inviter_id, now);
        v.finish()?;
        Ok(Self { key, invitation })
    }
}

fn new_invitation(
    all: &mut Violations,
    invitation: Option<pb::Invitation>,
    lifetime_given: Option<Duration>,
    inviter_id: Uuid,
    now: DateTime<Utc>,
) -> NewInvitation {
    let invitation = all.message("invitation", invitation);
    let mut v = Violations::within("invitation.");
    let (granted, denied) = (&invitation.granted_permissions, &invitation.denied_permissions);
    let new = NewInvitation {
        id: Uuid::now_v7(),
        project_id: v.uuid("project_id", &invitation.project_id),
        email: v.email("email", &invitation.email),
        role: assignable_role(&mut v, invitation.role),
        permissions: PermissionExceptions::read(&mut v, granted, denied).to_json(),
        inviter_id,
        mail_id: Some(Uuid::now_v7()),
        created_at: now,
        sent_at: now,
        expires_at: now + lifetime(all, lifetime_given),
    };
    all.absorb(v);
    new
}

/// A validated [`backend::IssueInvitationRequest`].
pub(crate) struct IssueInvitationInput {
    pub create: CreateInvitationInput,
    pub returns_token: bool,
}

impl IssueInvitationInput {
    pub(crate) fn of(request: backend::IssueInvitationRequest, now: DateTime<Utc>) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let inviter_id = v.uuid("inviter_id", &request.inviter_id);
        let delivery = CodeDelivery::try_from(request.delivery).unwrap_or_default();
        v.require(delivery != CodeDelivery::Unspecified, "delivery", "must be email or response");
        let mut invitation = new_invitation(&mut v, request.invitation, request.lifetime, inviter_id, now);
        v.finish()?;
        let returns_token = delivery == CodeDelivery::Response;
        invitation.mail_id = invitation.mail_id.filter(|_| !returns_token);
        Ok(Self { create: CreateInvitationInput { key, invitation }, returns_token })
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct InvitationId {
    pub project_id: Uuid,
    pub id: Uuid,
}

impl InvitationId {
    pub(crate) fn of(project_id: &str, invitation_id: &str) -> Result<Self> {
        let mut v = Violations::new();
        let id = Self::read(&mut v, project_id, invitation_id);
        v.finish()?;
        Ok(id)
    }

    fn read(v: &mut Violations, project_id: &str, invitation_id: &str) -> Self {
        Self { project_id: v.uuid("project_id", project_id), id: v.uuid("invitation_id", invitation_id) }
    }
}

/// A validated [`pb::ResendInvitationRequest`].
pub(crate) struct ResendInvitationInput {
    pub key: Option<RequestKey>,
    pub id: InvitationId,
    pub etag: String,
    pub lifetime: TimeDelta,
}

impl TryFrom<pb::ResendInvitationRequest> for ResendInvitationInput {
    type Error = Error;

    fn try_from(request: pb::ResendInvitationRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let id = InvitationId::read(&mut v, &request.project_id, &request.invitation_id);
        let lifetime = lifetime(&mut v, request.lifetime);
        v.finish()?;
        Ok(Self { key, id, etag: request.etag, lifetime })
    }
}

/// A validated [`pb::ListInvitationsRequest`].
pub(crate) struct ListInvitationsInput {
    pub project_id: Uuid,
    pub statuses: Vec<OfferStatus>,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListInvitationsRequest> for ListInvitationsInput {
    type Error = Error;

    fn try_from(request: pb::ListInvitationsRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let list = Self {
            project_id: v.uuid("project_id", &request.project_id),
            statuses: v.enums("statuses", &request.statuses),
            page_size: request.page_size,
            page_token: request.page_token,
        };
        v.finish()?;
        Ok(list)
    }
}

pub(crate) fn token_claim(token: &str) -> Result<TokenClaim> {
    TokenClaim::parse(token).ok_or_else(|| Error::invalid("token", "must be the token of an invitation"))
}

impl Invitation {
    /// The message; the status depends on the time.
    pub(crate) fn to_wire(&self, now: DateTime<Utc>) -> pb::Invitation {
        let exceptions = PermissionExceptions::from_json(&self.permissions);
        pb::Invitation {
            id: self.id.to_string(),
            project_id: self.project_id.to_string(),
            email: self.email.clone(),
            role: self.role.into(),
            granted_permissions: exceptions.granted_to_wire(),
            denied_permissions: exceptions.denied_to_wire(),
            inviter_id: self.inviter_id.to_string(),
            status: self.status_at(now).into(),
            answered_by: self.answered_by.map(|user| user.to_string()).unwrap_or_default(),
            send_count: self.generation,
            created_at: Some(json::to_timestamp(self.created_at)),
            expires_at: Some(json::to_timestamp(self.expires_at)),
            closed_at: self.closed_at.map(json::to_timestamp),
            etag: etag::of(self.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use shared::page::MAX_PAGE_SIZE;
    use shared::schema::ProjectRole;
    use shared::server::MAX_MESSAGE_BYTES;
    use shared::validation::MAX_EMAIL_CHARS;

    use super::*;

    #[test]
    fn the_largest_page_of_invitations_fits_into_a_message() {
        let invitation = Invitation {
            id: Uuid::max(),
            project_id: Uuid::max(),
            email: "\u{10ffff}".repeat(MAX_EMAIL_CHARS),
            role: ProjectRole::Viewer,
            permissions: serde_json::Value::Null,
            inviter_id: Uuid::max(),
            status: OfferStatus::Accepted,
            answered_by: Some(Uuid::max()),
            generation: i32::MAX,
            created_at: DateTime::<Utc>::MAX_UTC,
            expires_at: DateTime::<Utc>::MAX_UTC,
            closed_at: Some(DateTime::<Utc>::MAX_UTC),
            version: u32::MAX,
        };
        let message = pb::Invitation {
            granted_permissions: vec![1; 20],
            denied_permissions: vec![1; 20],
            ..invitation.to_wire(DateTime::UNIX_EPOCH)
        };
        let page = usize::try_from(MAX_PAGE_SIZE).unwrap() * (message.encoded_len() + 5);
        assert!(page < MAX_MESSAGE_BYTES / 2, "{page}");
    }
}
