//! Conversion of invitations from and to messages.

use crate::schema::OfferStatus;
use chrono::{DateTime, Duration, Utc};
use proto::project::backend::v1 as backend;
use proto::project::backend::v1::issue_invitation_request::Delivery;
use proto::project::v1 as pb;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::mail::Mail;
use shared::validation::{MAX_EMAIL_CHARS, Violations, ascii_domain};
use shared::{etag, json};
use uuid::Uuid;

use super::token::TokenClaim;
use super::{Invitation, NewInvitation};
use crate::members::wire::{assignable_role, exceptions};
use crate::ownership::wire::lifetime_hours;

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
        let invitation = new_invitation(&mut v, request, inviter_id, now);
        v.finish()?;
        Ok(Self { key, invitation })
    }
}

fn new_invitation(
    v: &mut Violations,
    request: pb::CreateInvitationRequest,
    inviter_id: Uuid,
    now: DateTime<Utc>,
) -> NewInvitation {
    NewInvitation {
        id: Uuid::now_v7(),
        project_id: v.uuid("project_id", &request.project_id),
        email: address(v, "email", &request.email),
        role: assignable_role(v, request.role),
        permissions: exceptions(v, request.permissions),
        inviter_id,
        mail_id: Some(Uuid::now_v7()),
        created_at: now,
        sent_at: now,
        expires_at: now + lifetime_hours(v, request.lifetime_hours),
    }
}

/// A deliverable address in lower case, its domain in ASCII.
fn address(v: &mut Violations, field: &str, value: &str) -> String {
    let given = value.trim().to_lowercase();
    let is_short = |text: &str| text.chars().count() <= MAX_EMAIL_CHARS;
    let parts = given.rsplit_once('@').filter(|_| is_short(&given));
    let value =
        parts.and_then(|(local, domain)| Some(format!("{local}@{}", ascii_domain(domain)?))).unwrap_or(given);
    let is_address = is_short(&value) && Mail::new(Uuid::nil(), &value, "", String::new()).is_ok();
    v.require(is_address, field, "must be an e-mail address of at most 255 characters");
    value
}

/// A validated [`backend::IssueInvitationRequest`].
pub(crate) struct IssueInvitationInput {
    pub create: CreateInvitationInput,
    pub returns_token: bool,
}

impl IssueInvitationInput {
    pub(crate) fn of(request: backend::IssueInvitationRequest, now: DateTime<Utc>) -> Result<Self> {
        let mut all = Violations::new();
        let inviter_id = all.uuid("inviter_id", &request.inviter_id);
        all.require(request.invitation.is_some(), "invitation", "must be given");
        all.require(request.delivery.is_some(), "delivery", "must be send_code or return_code");
        let mut v = Violations::within("invitation.");
        let given = request.invitation.clone().unwrap_or_default();
        let key = RequestKey::of(&mut v, &given.request_id, &request);
        let mut invitation = new_invitation(&mut v, given, inviter_id, now);
        all.absorb(v);
        all.finish()?;
        let returns_token = matches!(request.delivery, Some(Delivery::ReturnCode(_)));
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
    pub id: InvitationId,
    pub etag: String,
    pub lifetime: Duration,
}

impl TryFrom<pb::ResendInvitationRequest> for ResendInvitationInput {
    type Error = Error;

    fn try_from(request: pb::ResendInvitationRequest) -> Result<Self> {
        let mut v = Violations::new();
        let id = InvitationId::read(&mut v, &request.project_id, &request.invitation_id);
        let lifetime = lifetime_hours(&mut v, request.lifetime_hours);
        v.finish()?;
        Ok(Self { id, etag: request.etag, lifetime })
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

pub(crate) fn claim(request: &pb::AcceptInvitationRequest) -> Result<TokenClaim> {
    TokenClaim::parse(&request.token)
        .ok_or_else(|| Error::invalid("token", "must be the token of an invitation"))
}

impl Invitation {
    /// The message; the status depends on the time.
    pub(crate) fn to_message(&self, now: DateTime<Utc>) -> pb::Invitation {
        pb::Invitation {
            id: self.id.to_string(),
            project_id: self.project_id.to_string(),
            email: self.email.clone(),
            role: self.role.into(),
            permissions: Some(json::to_struct(&self.permissions)),
            inviter_id: self.inviter_id.to_string(),
            status: self.status_at(now).into(),
            accepted_by: self.accepted_by.map(|user| user.to_string()).unwrap_or_default(),
            send_count: self.generation,
            created_at: Some(json::to_timestamp(self.created_at)),
            expires_at: Some(json::to_timestamp(self.expires_at)),
            closed_at: self.closed_at.map(json::to_timestamp),
            etag: etag::of(self.version),
        }
    }
}
