//! The second factor of an account: codes of an authenticator app (RFC 6238), and recovery codes.
//!
//! While it is on, a password begins a challenge instead of a session, and the challenge with a code begins the
//! session. Promises: a code works once, also in two calls at once; a challenge works once, has five attempts and
//! ends with the password that began it; all of it is in PostgreSQL, so losing Redis loses nothing. The secret is
//! sealed; recovery codes and challenges are stored as hashes only.
//!
//! Not here: counting wrong codes per account and address, which `limits` does.

mod challenges;
mod gate;
pub(crate) mod operator;
mod proof;
mod queries;
mod recovery;
pub(crate) mod rpc;
mod totp;
mod wire;

use chrono::{DateTime, TimeDelta, Utc};
use shared::error::{Error, ErrorReason};

use crate::audit::Kind;

pub use challenges::{Challenge, begin_challenge, take_attempt};
pub use gate::Gate;
pub use operator::SecondFactorAdminApi;
pub use proof::{Claim, meet};
pub use queries::{is_on, state};
pub use rpc::SecondFactorApi;
pub use wire::ChallengeAnswer;

/// How long a secret may wait to be confirmed.
const ENROLMENT_LIFE: TimeDelta = TimeDelta::minutes(15);

/// What somebody shows.
#[derive(Clone)]
pub enum Proof {
    /// A code of the app.
    Code(String),
    /// A recovery code, as the table's hash is made of.
    Recovery(recovery::RecoveryCode),
}

impl Proof {
    /// What signing in with it is in the audit.
    pub fn login_kind(&self) -> Kind {
        match self {
            Self::Code(_) => Kind::Login,
            Self::Recovery(_) => Kind::RecoveryCodeUsed,
        }
    }
}

/// A second factor as it stands.
#[derive(Debug, Default)]
pub struct State {
    confirmed_at: Option<DateTime<Utc>>,
    remaining_recovery_codes: i64,
}

impl State {
    /// Whether signing in takes a code.
    pub fn is_on(&self) -> bool {
        self.confirmed_at.is_some()
    }
}

const SECOND_FACTOR_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::SecondFactorInvalid,
    message: "the code is wrong or was used before",
};

/// The refusal of a challenge that is malformed, unknown, used, expired or out of attempts.
pub const CHALLENGE_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::ChallengeInvalid,
    message: "the challenge is unknown, used or expired, or had too many wrong codes; sign in again",
};

fn is_on_already() -> Error {
    Error::precondition(ErrorReason::SecondFactorEnabled, "the account has a second factor; remove it first")
}

fn is_off() -> Error {
    Error::precondition(
        ErrorReason::SecondFactorNotEnabled,
        "the account has no second factor, or turning it on was begun too long ago",
    )
}
