//! The budgets of attempts.

use std::time::Duration;

use proto::identity::v1::SecurityEventKind as Kind;
use shared::error::ErrorReason;

const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
pub(super) struct Budget {
    /// Attempts within the window.
    pub(super) max: u32,
    pub(super) window: Duration,
    /// How long every attempt is refused once the budget is used up. Zero: until the oldest attempt leaves the window.
    pub(super) lockout: Duration,
    /// The error's message.
    pub(super) refusal: &'static str,
}

/// Guesses at one account's secret. A lockout as long as the window makes at most 10 guesses in 15 minutes.
const GUESSES_PER_ACCOUNT: Budget = Budget {
    max: 10,
    window: QUARTER_HOUR,
    lockout: QUARTER_HOUR,
    refusal: "too many failed attempts at this account; try again later",
};
/// Guesses from one address at all accounts: many people may share an address.
const GUESSES_PER_ADDRESS: Budget = Budget {
    max: 100,
    window: QUARTER_HOUR,
    lockout: Duration::ZERO,
    refusal: "too many failed attempts from this address; try again later",
};
/// Registrations from one address, successful or not: each costs a hash.
const REGISTRATIONS_PER_ADDRESS: Budget = Budget {
    max: 100,
    window: QUARTER_HOUR,
    lockout: Duration::ZERO,
    refusal: "too many registrations from this address; try again later",
};
const FAILED_REFRESHES_PER_ADDRESS: Budget = Budget {
    max: 100,
    window: QUARTER_HOUR,
    lockout: Duration::ZERO,
    refusal: "too many failed refreshes from this address; try again later",
};
/// Emails to one account: more would be a nuisance to its owner.
const EMAILS_PER_ACCOUNT: Budget = Budget {
    max: 5,
    window: HOUR,
    lockout: Duration::ZERO,
    refusal: "too many codes were requested for this account; try again later",
};
/// Emails to any account at the request of one address.
const EMAILS_PER_ADDRESS: Budget = Budget {
    max: 50,
    window: HOUR,
    lockout: Duration::ZERO,
    refusal: "too many codes were requested from this address; try again later",
};

/// What is attempted. Each purpose has budgets of its own, so a flood of wrong passwords stops no refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A password, at login or to confirm a change.
    Login,
    /// A code of an authenticator app, or a recovery code.
    SecondFactor,
    /// A new account.
    Register,
    /// A refresh token.
    Refresh,
    /// A request for a code by email.
    SendCode,
    /// A code from an email.
    RedeemCode,
}

impl Purpose {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SecondFactor => "second-factor",
            Self::Register => "register",
            Self::Refresh => "refresh",
            Self::SendCode => "send-code",
            Self::RedeemCode => "redeem-code",
        }
    }

    pub(super) fn per_account(self) -> Option<&'static Budget> {
        match self {
            Self::Login | Self::SecondFactor | Self::RedeemCode => Some(&GUESSES_PER_ACCOUNT),
            Self::SendCode => Some(&EMAILS_PER_ACCOUNT),
            Self::Register | Self::Refresh => None,
        }
    }

    pub(super) fn per_address(self) -> Option<&'static Budget> {
        match self {
            Self::Login | Self::SecondFactor | Self::RedeemCode => Some(&GUESSES_PER_ADDRESS),
            Self::SendCode => Some(&EMAILS_PER_ADDRESS),
            Self::Register => Some(&REGISTRATIONS_PER_ADDRESS),
            Self::Refresh => Some(&FAILED_REFRESHES_PER_ADDRESS),
        }
    }

    /// The error that a wrong secret causes, and the security event that records it; `None` if no secret is checked.
    pub(super) fn failure(self) -> Option<(ErrorReason, Kind)> {
        match self {
            Self::Login => Some((ErrorReason::InvalidCredentials, Kind::LoginFailure)),
            Self::SecondFactor => Some((ErrorReason::SecondFactorInvalid, Kind::SecondFactorFailure)),
            Self::RedeemCode => Some((ErrorReason::CodeInvalid, Kind::CodeFailure)),
            Self::Refresh => Some((ErrorReason::SessionInvalid, Kind::RefreshFailure)),
            Self::Register | Self::SendCode => None,
        }
    }
}
