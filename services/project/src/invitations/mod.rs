//! Invitations by e-mail: a token that makes whoever presents it a member.
//!
//! Accepting is one change of one row; the database makes the member in the same transaction (`add_invited_member`), as
//! it queues the mail in the transaction of the invitation. Nothing that is stored lets anybody in: a token is derived
//! ([`token`]) when it is written into a mail or returned.

pub(crate) mod inviting;
pub(crate) mod issuing;
pub(crate) mod mail;
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

/// Open invitations of one project.
pub(crate) const MAX_OPEN_PER_PROJECT: i64 = 200;
/// Invitations that one user makes within [`INVITER_WINDOW_HOURS`].
pub(crate) const MAX_PER_INVITER: i64 = 100;
/// For how long invitations of one user are counted, in hours.
pub(crate) const INVITER_WINDOW_HOURS: i64 = 24;
/// How often a token is made for one invitation.
pub(crate) const MAX_SENDS: i32 = 5;

/// An invitation to a project.
#[derive(Clone, Debug, Deserialize, Queryable, Selectable)]
#[diesel(table_name = invitations, check_for_backend(Pg))]
pub(crate) struct Invitation {
    /// Key.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Address, in lower case.
    pub email: String,
    /// Role of the membership.
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
    /// Who invites.
    pub inviter_id: Uuid,
    /// What became of it, as far as it was written down; see [`Invitation::status_at`].
    pub status: OfferStatus,
    /// Who came in.
    pub accepted_by: Option<Uuid>,
    /// Which token works: the how manieth.
    pub generation: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted or withdrawn.
    pub closed_at: Option<DateTime<Utc>>,
    /// Version of the row; of one in the change log, none.
    #[serde(skip)]
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// An invitation to be made.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = invitations)]
pub(crate) struct NewInvitation {
    /// Key.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Address, in lower case.
    pub email: String,
    /// Role of the membership.
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
    /// Who invites.
    pub inviter_id: Uuid,
    /// The mail that brings the token; `None` if somebody else delivers it.
    pub mail_id: Option<Uuid>,
    /// When it is made.
    pub created_at: DateTime<Utc>,
    /// When the token is made.
    pub sent_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
}

/// What is open already, where there are limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Of the project.
    pub open_in_project: i64,
    /// Of the user, lately.
    pub by_inviter: i64,
}

impl Load {
    /// Refuses one more than there may be.
    pub(crate) fn has_room(self) -> Result<()> {
        if self.by_inviter >= MAX_PER_INVITER {
            return Err(Error::Exhausted {
                reason: ErrorReason::RateLimited,
                message: "you have invited many people lately; try again later",
                retry_after: std::time::Duration::from_secs(60 * 60),
            });
        }
        if self.open_in_project >= MAX_OPEN_PER_PROJECT {
            return Err(too_many("the project has many open invitations", MAX_OPEN_PER_PROJECT));
        }
        Ok(())
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
    /// What became of it, told at this time.
    pub(crate) fn status_at(&self, now: DateTime<Utc>) -> OfferStatus {
        status_at(self.status, self.expires_at, now)
    }

    /// Refuses to make another token for what is closed or was sent often.
    pub(crate) fn may_be_sent_again(&self, now: DateTime<Utc>) -> Result<()> {
        match self.status_at(now) {
            OfferStatus::Pending | OfferStatus::Expired => {}
            status => return Err(closed(status)),
        }
        if self.generation >= MAX_SENDS {
            return Err(too_many("the invitation was sent often; make another one", MAX_SENDS.into()));
        }
        Ok(())
    }

    /// Whether it is still to be withdrawn: a retry finds its work done.
    pub(crate) fn is_open_for_withdrawal(&self, now: DateTime<Utc>) -> Result<bool> {
        match self.status_at(now) {
            OfferStatus::Pending => Ok(true),
            OfferStatus::Withdrawn => Ok(false),
            status => Err(closed(status)),
        }
    }

    /// Whether this user is still to be let in: a retry finds its work done.
    pub(crate) fn is_open_to(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<bool> {
        match self.status_at(now) {
            OfferStatus::Pending => Ok(true),
            OfferStatus::Accepted if self.accepted_by == Some(user_id) => Ok(false),
            status => Err(closed(status)),
        }
    }

    /// Refuses when the inviter could not let anybody in with that role any more: an invitation outlives neither a
    /// membership nor a role.
    pub(crate) fn must_be_backed_by(&self, inviter: Option<&(ProjectRole, Value)>) -> Result<()> {
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
            accepted_by: (status == OfferStatus::Accepted).then_some(Uuid::from_u128(4)),
            generation: 1,
            created_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH + Duration::hours(1),
            closed_at: None,
            version: 1,
        }
    }

    #[test]
    fn an_invitation_lets_one_in_and_answers_them_again() {
        let (gus, other) = (Uuid::from_u128(4), Uuid::from_u128(5));
        assert!(invitation(OfferStatus::Pending).is_open_to(gus, DateTime::UNIX_EPOCH).unwrap());
        assert!(!invitation(OfferStatus::Accepted).is_open_to(gus, DateTime::UNIX_EPOCH).unwrap());
        assert!(invitation(OfferStatus::Accepted).is_open_to(other, DateTime::UNIX_EPOCH).is_err());
        assert!(invitation(OfferStatus::Withdrawn).is_open_to(gus, DateTime::UNIX_EPOCH).is_err());
        let late = DateTime::UNIX_EPOCH + Duration::hours(1);
        assert!(invitation(OfferStatus::Pending).is_open_to(gus, late).is_err());
    }

    #[test]
    fn an_invitation_is_worth_what_its_inviter_may_do_now() {
        let invitation = invitation(OfferStatus::Pending);
        assert!(invitation.must_be_backed_by(Some(&(ProjectRole::Admin, json!({})))).is_ok());
        for inviter in [
            None,
            Some((ProjectRole::Member, json!({}))),
            Some((ProjectRole::Admin, json!({"member_manage": false}))),
            Some((ProjectRole::Admin, json!({"task_write": false}))),
        ] {
            assert!(invitation.must_be_backed_by(inviter.as_ref()).is_err(), "{inviter:?}");
        }
    }

    #[test]
    fn an_invitation_is_sent_a_few_times() {
        let often = Invitation { generation: MAX_SENDS, ..invitation(OfferStatus::Pending) };
        let refusal = often.may_be_sent_again(DateTime::UNIX_EPOCH).unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::TooManyInvitations);
        assert!(invitation(OfferStatus::Expired).may_be_sent_again(DateTime::UNIX_EPOCH).is_ok());
        assert!(invitation(OfferStatus::Accepted).may_be_sent_again(DateTime::UNIX_EPOCH).is_err());
    }
}
