//! The second factor of an account: codes of an authenticator app (RFC 6238), and recovery codes.
//!
//! While it is enabled, a password begins a challenge instead of a session, and the challenge with a code begins the
//! session. A code works once, also in concurrent calls. A challenge works once, allows five attempts and ends with the
//! password that began it. Everything is in PostgreSQL, so losing Redis loses nothing. The secret is encrypted; recovery
//! codes and challenges are stored as hashes only.

mod admin;
mod challenges;
mod queries;
mod recovery;
mod rpc;
mod totp;
mod verification;
mod wire;

use chrono::{DateTime, TimeDelta, Utc};
use shared::error::{Error, ErrorReason};

use crate::audit::Kind;

pub use challenges::{Challenge, count_attempt, create_challenge};
pub use queries::{find_status, is_enabled};
pub use recovery::RecoveryKey;
pub use verification::{ProofClaim, complete_challenge};
pub use wire::ChallengeAnswer;

/// How long a secret may wait for its confirmation.
const ENROLMENT_LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// A code that the caller gives.
#[derive(Clone)]
pub enum Proof {
    /// Of the app.
    Code(String),
    Recovery(recovery::RecoveryCode),
}

impl Proof {
    /// The security event of a login with it.
    pub fn login_kind(&self) -> Kind {
        match self {
            Self::Code(_) => Kind::Login,
            Self::Recovery(_) => Kind::RecoveryCodeUsed,
        }
    }
}

#[derive(Debug, Default)]
pub struct FactorStatus {
    confirmed_at: Option<DateTime<Utc>>,
    remaining_recovery_codes: i64,
}

impl FactorStatus {
    pub fn is_enabled(&self) -> bool {
        self.confirmed_at.is_some()
    }
}

const SECOND_FACTOR_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::SecondFactorInvalid,
    message: "the code is wrong or was used before",
};

/// The same error for every reason why a challenge does not work.
const CHALLENGE_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::ChallengeInvalid,
    message: "the challenge is unknown, used or expired, or had too many wrong codes; sign in again",
};

fn already_enabled() -> Error {
    Error::precondition(ErrorReason::SecondFactorEnabled, "the account has a second factor; remove it first")
}

fn not_enabled() -> Error {
    Error::precondition(
        ErrorReason::SecondFactorNotEnabled,
        "the account has no second factor, or turning it on was begun too long ago",
    )
}
