//! Codes: they prove that mail arrives at an address, or stand in for a forgotten password.
//!
//! A code works once and for a while. It follows from the id of its row under a key of the suite, so that the letter
//! with it can be written after its commit though the code is stored nowhere: the database has its SHA-256 only.

mod expiry;
mod gate;
mod queries;
pub(crate) mod rpc;
pub(crate) mod sign_up;
mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use shared::authentication::{TOKEN_BYTES, token_hash};
use shared::clock::Clock;
use shared::config::Secret;
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::keys::key_for;
use uuid::Uuid;

use crate::audit::Kind;
use crate::emails;

pub use expiry::forget_expired;
pub use gate::CodeGate;
pub use queries::{Addressee, ProvenAddress, Used};
pub use rpc::AccountCodeApi;
pub use sign_up::SignUpWish;

/// What codes begin with, so that people and secret scanners recognise them.
const PREFIX: &str = "dfc_";

/// What a code is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To prove the account's address.
    VerifyEmail,
    /// To set a new password.
    ResetPassword,
    /// To prove a new address, which then becomes the account's.
    ChangeEmail,
    /// To prove the address of an account to come.
    SignUp,
}

impl Purpose {
    /// As the database has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::SignUp => "sign_up",
        }
    }

    /// How long a code works.
    fn life(self) -> TimeDelta {
        match self {
            Self::VerifyEmail | Self::SignUp => TimeDelta::hours(24),
            Self::ResetPassword | Self::ChangeEmail => TimeDelta::hours(1),
        }
    }

    /// What asking for it is to the account's security.
    pub fn asked(self) -> Option<Kind> {
        match self {
            Self::VerifyEmail => None,
            Self::ResetPassword => Some(Kind::PasswordResetRequested),
            Self::ChangeEmail => Some(Kind::EmailChangeRequested),
            Self::SignUp => Some(Kind::SignUpRequested),
        }
    }

    /// The letter that the code is in.
    fn letter(self) -> &'static str {
        match self {
            Self::VerifyEmail => emails::VERIFY_EMAIL,
            Self::ResetPassword => emails::RESET_PASSWORD,
            Self::ChangeEmail => emails::CHANGE_EMAIL,
            Self::SignUp => emails::SIGN_UP,
        }
    }
}

/// A wish that a code proves.
pub struct Redemption {
    /// Makes a retry safe; a fresh one if the caller gave none, so that it cannot come again.
    pub request_id: Uuid,
    /// The code.
    pub code: String,
}

/// A wish for a code.
#[derive(Debug)]
pub struct Wish {
    /// What for.
    pub purpose: Purpose,
    /// Whose; `None` for the account with this address.
    pub user_id: Option<Uuid>,
    /// What it is to prove; `None` for the user's own address.
    pub email: Option<String>,
    /// Whether it is mailed; otherwise it is returned.
    pub is_mailed: bool,
}

/// A code that was just made.
pub struct Issued {
    /// Whose account it is for; `None` if there is none, and then nobody gets to know the code.
    pub addressee: Option<Addressee>,
    /// The code, if it was to be returned.
    pub code: Option<String>,
    /// Its end.
    pub expires_at: DateTime<Utc>,
}

/// Makes codes and uses them up; cheap to clone.
#[derive(Clone)]
pub struct Codes {
    key: Hmac<Sha256>,
    clock: Clock,
}

impl Codes {
    /// Under this secret, through a key of its own.
    pub fn new(secret: &Secret, clock: Clock) -> Self {
        Self { key: key_for(secret, "account codes"), clock }
    }

    /// The code that follows from this id.
    pub fn code(&self, purpose: Purpose, id: Uuid) -> String {
        let code = self.key.clone().chain_update(purpose.name()).chain_update(id.as_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(code.finalize().into_bytes()))
    }

    /// Makes a code and queues its letter, with the same work whether there is such an account or not. Wake the
    /// outbox after the commit.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn issue(&self, tx: &Transaction, wish: &Wish) -> Result<Issued> {
        let id = Uuid::now_v7();
        let code = self.code(wish.purpose, id);
        let now = self.clock.now();
        let expires_at = now + wish.purpose.life();
        let letter = wish.is_mailed.then(|| wish.purpose.letter());
        let lifetime = queries::Lifetime { now, expires_at };
        let addressee = queries::issue(tx, id, token_hash(&code), wish, letter, lifetime).await?;
        let is_known = addressee.as_ref().is_some_and(|addressee| !addressee.is_taken);
        let code = Some(code).filter(|_| is_known && !wish.is_mailed);
        Ok(Issued { addressee, code, expires_at })
    }

    /// Uses a code up in this transaction, which from here on acts for its user.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` when it does not work; nobody can tell why.
    pub async fn redeem(
        &self,
        tx: &Transaction,
        purpose: Purpose,
        Redemption { request_id, code }: &Redemption,
    ) -> Result<Used> {
        if !is_code(code) {
            return Err(invalid());
        }
        let used = queries::redeem(tx, purpose, token_hash(code), *request_id, self.clock.now()).await?;
        let used = used.ok_or_else(invalid)?;
        tx.act_as(used.user_id)?;
        Ok(used)
    }
}

/// Checked before any look-up, so that nonsense costs no round trip.
fn is_code(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .is_some_and(|bytes| bytes.len() == TOKEN_BYTES)
}

/// The refusal of a code that does not work.
pub fn invalid() -> Error {
    Error::precondition(ErrorReason::CodeInvalid, "the code is unknown, expired or used; ask for a new one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(secret: &str) -> Codes {
        Codes::new(&secret.into(), Clock::default())
    }

    #[test]
    fn a_code_follows_from_its_id_its_purpose_and_the_key_alone() {
        let id = Uuid::from_u128(1);
        let code = codes("secret").code(Purpose::ResetPassword, id);
        assert!(is_code(&code), "{code}");
        assert_eq!(code, codes("secret").code(Purpose::ResetPassword, id));
        assert_ne!(code, codes("other").code(Purpose::ResetPassword, id));
        assert_ne!(code, codes("secret").code(Purpose::VerifyEmail, id));
        assert_ne!(code, codes("secret").code(Purpose::ResetPassword, Uuid::from_u128(2)));
    }

    #[test]
    fn nonsense_is_no_code() {
        for text in ["", "dfc_", "dfc_short", "dfs_", &"x".repeat(100_000)] {
            assert!(!is_code(text));
        }
    }
}
