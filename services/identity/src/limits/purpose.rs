//! What may be tried how often.

use std::time::Duration;

const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How much of something there is.
#[derive(Debug)]
pub(super) struct Budget {
    /// Attempts within the window.
    pub(super) max: u32,
    /// How far back attempts count.
    pub(super) window: Duration,
    /// For how long everything is refused once the budget is used up; zero: until the window has slid on.
    pub(super) lockout: Duration,
    /// What the caller is told.
    pub(super) refusal: &'static str,
}

/// Guesses at one account's secret. A lockout as long as the window makes at most 10 guesses in 15 minutes.
const GUESSES_PER_ACCOUNT: Budget = Budget {
    max: 10,
    window: QUARTER_HOUR,
    lockout: QUARTER_HOUR,
    refusal: "too many failed attempts at this account; try again later",
};
/// Guesses from one address at all accounts: a family or an office behind one address may mistype as well.
const GUESSES_PER_ADDRESS: Budget = Budget {
    max: 100,
    window: QUARTER_HOUR,
    lockout: Duration::ZERO,
    refusal: "too many failed attempts from this address; try again later",
};
/// Registrations from one address, well or badly: each costs a hash.
const REGISTRATIONS_PER_ADDRESS: Budget = Budget {
    max: 100,
    window: QUARTER_HOUR,
    lockout: Duration::ZERO,
    refusal: "too many registrations from this address; try again later",
};
/// Refreshes from one address that failed.
const FAILED_REFRESHES_PER_ADDRESS: Budget = Budget {
    max: 100,
    window: QUARTER_HOUR,
    lockout: Duration::ZERO,
    refusal: "too many failed refreshes from this address; try again later",
};
/// Mails to one account: more would be a nuisance to its owner.
const CODES_PER_ACCOUNT: Budget = Budget {
    max: 5,
    window: HOUR,
    lockout: Duration::ZERO,
    refusal: "too many codes were asked for this account; try again later",
};
/// Mails that one address has sent to people.
const CODES_PER_ADDRESS: Budget = Budget {
    max: 50,
    window: HOUR,
    lockout: Duration::ZERO,
    refusal: "too many codes were asked from this address; try again later",
};

/// What is tried. Each purpose has budgets of its own: guessing at passwords does not keep anybody from
/// refreshing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To sign in with a password, or to prove it again.
    Login,
    /// To give a second factor.
    SecondFactor,
    /// To make an account.
    Register,
    /// To exchange a refresh token.
    Refresh,
    /// To have a code made: to verify an address, to reset a password.
    SendCode,
    /// To redeem such a code.
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
            Self::SendCode => Some(&CODES_PER_ACCOUNT),
            Self::Register | Self::Refresh => None,
        }
    }

    pub(super) fn per_address(self) -> Option<&'static Budget> {
        match self {
            Self::Login | Self::SecondFactor | Self::RedeemCode => Some(&GUESSES_PER_ADDRESS),
            Self::SendCode => Some(&CODES_PER_ADDRESS),
            Self::Register => Some(&REGISTRATIONS_PER_ADDRESS),
            Self::Refresh => Some(&FAILED_REFRESHES_PER_ADDRESS),
        }
    }
}
