//! Invitations by email: a token that makes its bearer a member.
//!
//! Accepting updates one row; triggers add the member and queue emails in the same transaction. No stored row holds a
//! token: it is derived ([`token`]) when an email is sent or an answer returns it.

pub(crate) mod backend;
mod creation;
pub(crate) mod email;
mod inviter_permissions;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod token;
pub(crate) mod wire;

use crate::schema::OfferStatus;
use crate::schema::invitations;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use shared::access::{Permission, Permissions};
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use shared::schema::ProjectRole;
use uuid::Uuid;

use crate::ownership::{closed, status_at};

pub(crate) const MAX_OPEN_PER_PROJECT: i64 = 200;
/// Per user within [`INVITER_WINDOW_HOURS`].
pub(crate) const MAX_PER_INVITER: i64 = 100;
pub(crate) const INVITER_WINDOW_HOURS: i64 = 24;
/// Per invitation, the first included.
pub(crate) const MAX_SENDS: i32 = 5;
/// Emails to one address within [`RECIPIENT_WINDOW_HOURS`], of all projects and inviters.
pub(crate) const MAX_PER_RECIPIENT: i64 = 10;
pub(crate) const RECIPIENT_WINDOW_HOURS: i64 = 24;

#[derive(Clone, Debug, Deserialize, Queryable, Selectable)]
#[diesel(table_name = invitations, check_for_backend(Pg))]
pub(crate) struct Invitation {
    pub id: Uuid,
    pub project_id: Uuid,
    pub email: String,
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
    pub inviter_id: Uuid,
    /// The stored status; [`Self::status_at`] accounts for expiry.
    pub status: OfferStatus,
    pub answered_by: Option<Uuid>,
    /// Number of the valid token, counted from 1.
    pub generation: i32,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
    /// Version of the row; absent in rows of the change log.
    #[serde(skip)]
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = invitations)]
pub(crate) struct NewInvitation {
    pub id: Uuid,
    pub project_id: Uuid,
    pub email: String,
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
    pub inviter_id: Uuid,
    /// The email with the token; `None` if the caller delivers the token.
    pub mail_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub sent_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Invitations that count against the limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InvitationCounts {
    pub open_in_project: i64,
    pub by_inviter: i64,
    /// Emails to the address.
    pub to_recipient: i64,
}

impl InvitationCounts {
    pub(crate) fn check_limits(self) -> Result<()> {
        if self.by_inviter >= MAX_PER_INVITER {
            return Err(rate_limited("you have invited many people lately; try again later"));
        }
        check_recipient(self.to_recipient)?;
        if self.open_in_project >= MAX_OPEN_PER_PROJECT {
            return Err(too_many("the project has many open invitations", MAX_OPEN_PER_PROJECT));
        }
        Ok(())
    }
}

/// Fails when an address has received many emails lately.
pub(crate) fn check_recipient(emails: i64) -> Result<()> {
    if emails >= MAX_PER_RECIPIENT {
        return Err(rate_limited("this address has been invited many times lately; try again later"));
    }
    Ok(())
}

fn rate_limited(message: &'static str) -> Error {
    Error::Exhausted {
        reason: ErrorReason::RateLimited,
        message,
        retry_after: std::time::Duration::from_secs(60 * 60),
    }
}

fn too_many(message: &str, limit: i64) -> Error {
    Error::Precondition {
        reason: ErrorReason::TooManyInvitations,
        message: message.to_owned(),
        metadata: vec![("limit", limit.to_string())],
    }
}

impl Invitation {
    pub(crate) fn status_at(&self, now: DateTime<Utc>) -> OfferStatus {
        status_at(self.status, self.expires_at, now)
    }

    pub(crate) fn check_resendable(&self, now: DateTime<Utc>) -> Result<()> {
        match self.status_at(now) {
            OfferStatus::Pending | OfferStatus::Expired => {}
            status => return Err(closed(status)),
        }
        if self.generation >= MAX_SENDS {
            return Err(too_many("the invitation was sent often; make another one", MAX_SENDS.into()));
        }
        Ok(())
    }

    /// `false` if it was withdrawn before, so that a retry succeeds.
    pub(crate) fn needs_withdrawal(&self, now: DateTime<Utc>) -> Result<bool> {
        match self.status_at(now) {
            OfferStatus::Pending => Ok(true),
            OfferStatus::Withdrawn => Ok(false),
            status => Err(closed(status)),
        }
    }

    /// `false` if this user accepted it before, so that a retry succeeds.
    pub(crate) fn needs_acceptance_by(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<bool> {
        match self.status_at(now) {
            OfferStatus::Pending => Ok(true),
            OfferStatus::Accepted if self.answered_by == Some(user_id) => Ok(false),
            status => Err(closed(status)),
        }
    }

    /// `false` if it was declined before, so that a retry succeeds.
    pub(crate) fn needs_declining(&self, now: DateTime<Utc>) -> Result<bool> {
        match self.status_at(now) {
            OfferStatus::Pending => Ok(true),
            OfferStatus::Declined => Ok(false),
            status => Err(closed(status)),
        }
    }

    /// Fails unless the inviter could add such a member now: an invitation outlives neither the inviter's membership
    /// nor their role.
    pub(crate) fn require_inviter_permissions(&self, inviter: Option<&(ProjectRole, Value)>) -> Result<()> {
        let theirs = inviter.map(|(role, exceptions)| Permissions::of(Some(*role), Some(exceptions)));
        let given = Permissions::of(Some(self.role), Some(&self.permissions));
        match theirs {
            Some(theirs) if theirs.contains(Permission::MemberManage) && theirs.contains_all(given) => Ok(()),
            _ => Err(closed(OfferStatus::Withdrawn)),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use serde_json::json;

    use super::*;

    fn invitation(status: OfferStatus) -> Invitation {
        Invitation {
            id: Uuid::from_u128(1),
            project_id: Uuid::from_u128(2),
            email: "gus@example.org".to_owned(),
            role: ProjectRole::Member,
            permissions: json!({}),
            inviter_id: Uuid::from_u128(3),
            status,
            answered_by: (status == OfferStatus::Accepted).then_some(Uuid::from_u128(4)),
            generation: 1,
            created_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH + Duration::hours(1),
            closed_at: None,
            version: 1,
        }
    }

    #[test]
    fn an_invitation_admits_one_user_and_answers_their_retry() {
        let (gus, other) = (Uuid::from_u128(4), Uuid::from_u128(5));
        assert!(invitation(OfferStatus::Pending).needs_acceptance_by(gus, DateTime::UNIX_EPOCH).unwrap());
        assert!(!invitation(OfferStatus::Accepted).needs_acceptance_by(gus, DateTime::UNIX_EPOCH).unwrap());
        assert!(invitation(OfferStatus::Accepted).needs_acceptance_by(other, DateTime::UNIX_EPOCH).is_err());
        assert!(invitation(OfferStatus::Withdrawn).needs_acceptance_by(gus, DateTime::UNIX_EPOCH).is_err());
        let late = DateTime::UNIX_EPOCH + Duration::hours(1);
        assert!(invitation(OfferStatus::Pending).needs_acceptance_by(gus, late).is_err());
    }

    #[test]
    fn a_pending_invitation_can_be_declined_and_this_can_be_repeated() {
        let needs = |status| invitation(status).needs_declining(DateTime::UNIX_EPOCH);
        assert!(needs(OfferStatus::Pending).unwrap());
        assert!(!needs(OfferStatus::Declined).unwrap());
        for closed in [OfferStatus::Accepted, OfferStatus::Withdrawn, OfferStatus::Expired] {
            assert!(needs(closed).is_err(), "{closed:?}");
        }
        assert!(invitation(OfferStatus::Declined).check_resendable(DateTime::UNIX_EPOCH).is_err());
    }

    #[test]
    fn an_invitation_needs_the_current_permissions_of_its_inviter() {
        let invitation = invitation(OfferStatus::Pending);
        assert!(invitation.require_inviter_permissions(Some(&(ProjectRole::Admin, json!({})))).is_ok());
        for inviter in [
            None,
            Some((ProjectRole::Member, json!({}))),
            Some((ProjectRole::Admin, json!({"member_manage": false}))),
            Some((ProjectRole::Admin, json!({"task_write": false}))),
        ] {
            assert!(invitation.require_inviter_permissions(inviter.as_ref()).is_err(), "{inviter:?}");
        }
    }

    #[test]
    fn an_invitation_is_sent_a_limited_number_of_times() {
        let often = Invitation { generation: MAX_SENDS, ..invitation(OfferStatus::Pending) };
        let refusal = often.check_resendable(DateTime::UNIX_EPOCH).unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::TooManyInvitations);
        assert!(invitation(OfferStatus::Expired).check_resendable(DateTime::UNIX_EPOCH).is_ok());
        assert!(invitation(OfferStatus::Accepted).check_resendable(DateTime::UNIX_EPOCH).is_err());
    }
}
