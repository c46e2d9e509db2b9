//! Transfers of ownership: offered by the owner, accepted by another member.
//!
//! Accepting updates one row; the trigger `transfer_ownership` hands the project over in the same transaction. A
//! deferred constraint requires that `projects.owner_id` is the one member with the role owner.

pub(crate) mod admin;
pub(crate) mod orphans;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::OfferStatus;
use crate::schema::ownership_transfers;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::Deserialize;
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use uuid::Uuid;

/// Of a transfer or an invitation.
pub(crate) const MIN_LIFETIME: TimeDelta = TimeDelta::hours(1);
pub(crate) const DEFAULT_LIFETIME: TimeDelta = TimeDelta::days(7);
pub(crate) const MAX_LIFETIME: TimeDelta = TimeDelta::days(30);

#[derive(Clone, Debug, Deserialize, Queryable, Selectable)]
#[diesel(table_name = ownership_transfers, check_for_backend(Pg))]
pub(crate) struct Transfer {
    pub id: Uuid,
    pub project_id: Uuid,
    pub from_user_id: Uuid,
    pub to_user_id: Uuid,
    /// The stored status; [`Self::status_at`] accounts for expiry.
    pub status: OfferStatus,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
    /// Version of the row; absent in rows of the change log.
    #[serde(skip)]
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = ownership_transfers)]
pub(crate) struct NewTransfer {
    pub id: Uuid,
    pub project_id: Uuid,
    pub from_user_id: Uuid,
    pub to_user_id: Uuid,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The recipient accepts or declines, the owner withdraws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept,
    Decline,
    Withdraw,
}

impl Answer {
    pub(crate) fn target_status(self) -> OfferStatus {
        match self {
            Self::Accept => OfferStatus::Accepted,
            Self::Decline => OfferStatus::Declined,
            Self::Withdraw => OfferStatus::Withdrawn,
        }
    }

    /// The user who may give this answer.
    fn answerer(self, transfer: &Transfer) -> Uuid {
        match self {
            Self::Accept | Self::Decline => transfer.to_user_id,
            Self::Withdraw => transfer.from_user_id,
        }
    }
}

/// The status at a time: a pending one past its expiry is expired.
pub(crate) fn status_at(status: OfferStatus, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> OfferStatus {
    if status == OfferStatus::Pending && expires_at <= now { OfferStatus::Expired } else { status }
}

pub(crate) fn closed(status: OfferStatus) -> Error {
    Error::Precondition {
        reason: ErrorReason::OfferClosed,
        message: format!("it is no longer open: it is {}", status.as_str()),
        metadata: vec![("status", status.as_str().to_owned())],
    }
}

impl Transfer {
    pub(crate) fn status_at(&self, now: DateTime<Utc>) -> OfferStatus {
        status_at(self.status, self.expires_at, now)
    }

    pub(crate) fn authorize_answer(&self, answer: Answer, user_id: Uuid) -> Result<()> {
        if answer.answerer(self) == user_id {
            return Ok(());
        }
        Err(Error::PermissionDenied {
            reason: ErrorReason::OfferNotForCaller,
            message: "another user has to answer this offer".to_owned(),
            metadata: Vec::new(),
        })
    }

    /// `false` if the same answer was given before, so that a retry succeeds. Fails with `OFFER_CLOSED` after another
    /// answer.
    pub(crate) fn needs_answer(&self, answer: Answer, now: DateTime<Utc>) -> Result<bool> {
        match self.status_at(now) {
            OfferStatus::Pending => Ok(true),
            status if status == answer.target_status() => Ok(false),
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
    fn a_pending_transfer_expires_and_a_closed_one_does_not() {
        let late = DateTime::UNIX_EPOCH + Duration::hours(1);
        assert_eq!(transfer(OfferStatus::Pending).status_at(DateTime::UNIX_EPOCH), OfferStatus::Pending);
        assert_eq!(transfer(OfferStatus::Pending).status_at(late), OfferStatus::Expired);
        assert_eq!(transfer(OfferStatus::Accepted).status_at(late), OfferStatus::Accepted);
    }

    #[test]
    fn an_answer_can_be_repeated_but_not_changed() {
        let accepted = transfer(OfferStatus::Accepted);
        assert!(!accepted.needs_answer(Answer::Accept, DateTime::UNIX_EPOCH).unwrap());
        for other in [Answer::Decline, Answer::Withdraw] {
            let refusal = accepted.needs_answer(other, DateTime::UNIX_EPOCH).unwrap_err();
            assert_eq!(refusal.reason(), ErrorReason::OfferClosed);
        }
        assert!(transfer(OfferStatus::Pending).needs_answer(Answer::Withdraw, DateTime::UNIX_EPOCH).unwrap());
    }

    #[test]
    fn each_side_gives_its_own_answers() {
        let transfer = transfer(OfferStatus::Pending);
        let (from, to) = (transfer.from_user_id, transfer.to_user_id);
        for (answer, answerer, other) in
            [(Answer::Accept, to, from), (Answer::Decline, to, from), (Answer::Withdraw, from, to)]
        {
            assert!(transfer.authorize_answer(answer, answerer).is_ok());
            assert!(transfer.authorize_answer(answer, other).is_err());
        }
    }
}
