//! Ownership that changes hands: offered by the owner, accepted by another member.
//!
//! Accepting is one change of one row; the database hands the project over in the same transaction
//! (`transfer_ownership`), and lets no transaction end with a project that has none or another owner than it names.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::OfferStatus;
use crate::schema::ownership_transfers;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::Deserialize;
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use uuid::Uuid;

/// For how long an offer can be accepted if nothing else is said, in hours.
pub(crate) const DEFAULT_LIFETIME_HOURS: i32 = 7 * 24;
/// For how long an offer can be accepted at most, in hours.
pub(crate) const MAX_LIFETIME_HOURS: i32 = 30 * 24;

/// An offer of a project to a member.
#[derive(Clone, Debug, Deserialize, Queryable, Selectable)]
#[diesel(table_name = ownership_transfers, check_for_backend(Pg))]
pub(crate) struct Transfer {
    /// Key.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Who offers.
    pub from_user_id: Uuid,
    /// Who may accept.
    pub to_user_id: Uuid,
    /// What became of it, as far as it was written down; see [`Transfer::status_at`].
    pub status: OfferStatus,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted, declined or withdrawn.
    pub closed_at: Option<DateTime<Utc>>,
    /// Version of the row; of one in the change log, none.
    #[serde(skip)]
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// An offer to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = ownership_transfers)]
pub(crate) struct NewTransfer {
    /// Key.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Who offers.
    pub from_user_id: Uuid,
    /// Who may accept.
    pub to_user_id: Uuid,
    /// When it is made.
    pub created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
}

/// How an open offer ends by somebody's will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// By the one it is for.
    Accept,
    /// By the one it is for.
    Decline,
    /// By the one who made it.
    Withdraw,
}

impl Answer {
    /// What becomes of the offer.
    pub(crate) fn leads_to(self) -> OfferStatus {
        match self {
            Self::Accept => OfferStatus::Accepted,
            Self::Decline => OfferStatus::Declined,
            Self::Withdraw => OfferStatus::Withdrawn,
        }
    }

    /// Whose answer it is to give.
    fn giver(self, transfer: &Transfer) -> Uuid {
        match self {
            Self::Accept | Self::Decline => transfer.to_user_id,
            Self::Withdraw => transfer.from_user_id,
        }
    }
}

/// What became of an offer, told at this time.
pub(crate) fn status_at(status: OfferStatus, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> OfferStatus {
    if status == OfferStatus::Pending && expires_at <= now { OfferStatus::Expired } else { status }
}

/// The refusal of an answer to what is not open any more.
pub(crate) fn closed(status: OfferStatus) -> Error {
    Error::Precondition {
        reason: ErrorReason::OfferClosed,
        message: format!("it is no longer open: it is {}", status.as_str()),
        metadata: vec![("status", status.as_str().to_owned())],
    }
}

impl Transfer {
    /// What became of it, told at this time.
    pub(crate) fn status_at(&self, now: DateTime<Utc>) -> OfferStatus {
        status_at(self.status, self.expires_at, now)
    }

    /// Refuses an answer that is somebody else's to give.
    pub(crate) fn must_be_answered_by(&self, answer: Answer, user_id: Uuid) -> Result<()> {
        if answer.giver(self) == user_id {
            return Ok(());
        }
        Err(Error::PermissionDenied {
            reason: ErrorReason::OfferNotForCaller,
            message: "the offer is for somebody else to answer".to_owned(),
            metadata: Vec::new(),
        })
    }

    /// Whether the answer is still to be written down: a retry finds its work done.
    pub(crate) fn is_open_for(&self, answer: Answer, now: DateTime<Utc>) -> Result<bool> {
        match self.status_at(now) {
            OfferStatus::Pending => Ok(true),
            status if status == answer.leads_to() => Ok(false),
            status => Err(closed(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    fn transfer(status: OfferStatus) -> Transfer {
        Transfer {
            id: Uuid::from_u128(1),
            project_id: Uuid::from_u128(2),
            from_user_id: Uuid::from_u128(3),
            to_user_id: Uuid::from_u128(4),
            status,
            created_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH + Duration::hours(1),
            closed_at: None,
            version: 1,
        }
    }

    #[test]
    fn an_open_offer_expires_and_a_closed_one_does_not() {
        let late = DateTime::UNIX_EPOCH + Duration::hours(1);
        assert_eq!(transfer(OfferStatus::Pending).status_at(DateTime::UNIX_EPOCH), OfferStatus::Pending);
        assert_eq!(transfer(OfferStatus::Pending).status_at(late), OfferStatus::Expired);
        assert_eq!(transfer(OfferStatus::Accepted).status_at(late), OfferStatus::Accepted);
    }

    #[test]
    fn an_answer_is_given_once_and_may_be_repeated() {
        let accepted = transfer(OfferStatus::Accepted);
        assert!(!accepted.is_open_for(Answer::Accept, DateTime::UNIX_EPOCH).unwrap());
        for other in [Answer::Decline, Answer::Withdraw] {
            let refusal = accepted.is_open_for(other, DateTime::UNIX_EPOCH).unwrap_err();
            assert_eq!(refusal.reason(), ErrorReason::OfferClosed);
        }
        assert!(transfer(OfferStatus::Pending).is_open_for(Answer::Withdraw, DateTime::UNIX_EPOCH).unwrap());
    }

    #[test]
    fn each_side_gives_its_own_answers() {
        let transfer = transfer(OfferStatus::Pending);
        let (from, to) = (transfer.from_user_id, transfer.to_user_id);
        for (answer, giver, other) in
            [(Answer::Accept, to, from), (Answer::Decline, to, from), (Answer::Withdraw, from, to)]
        {
            assert!(transfer.must_be_answered_by(answer, giver).is_ok());
            assert!(transfer.must_be_answered_by(answer, other).is_err());
        }
    }
}
