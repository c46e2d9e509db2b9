//! Codes in emails: they prove that email reaches an address, or replace a forgotten password.
//!
//! A code works once and for a limited time. It is derived from the id of its row under a key of this service, so that its
//! email can be written after the commit; the database has only its SHA-256.

mod expiry;
mod queries;
mod rpc;
mod sign_up;
mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use shared::authentication::{TOKEN_BYTES, token_hash};
use shared::clock::Clock;
use shared::config::DerivationOptions;
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::keys::DerivedKey;
use uuid::Uuid;

use crate::audit::Kind;

pub use expiry::delete_expired;
pub use queries::{Addressee, RedeemedCode, RedeemedSignUpCode};

/// So that people and secret scanners recognise a code.
const PREFIX: &str = "dfc_";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    VerifyEmail,
    ResetPassword,
    /// Proves a new address, which then becomes the account's.
    ChangeEmail,
    /// Proves the address of an account that does not exist yet.
    SignUp,
}

impl Purpose {
    /// The name in the database, which is also the kind of the email with the code.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::SignUp => "sign_up",
        }
    }

    fn lifetime(self) -> TimeDelta {
        match self {
            Self::VerifyEmail | Self::SignUp => TimeDelta::hours(24),
            Self::ResetPassword | Self::ChangeEmail => TimeDelta::hours(1),
        }
    }

    /// The security event of a request for such a code.
    pub fn request_event(self) -> Option<Kind> {
        match self {
            Self::VerifyEmail => None,
            Self::ResetPassword => Some(Kind::PasswordResetRequested),
            Self::ChangeEmail => Some(Kind::EmailChangeRequested),
            Self::SignUp => Some(Kind::SignUpRequested),
        }
    }
}

/// The code in a validated request.
pub struct RedeemInput {
    /// Makes a retry safe; a new one if the caller gave none.
    pub request_id: Uuid,
    pub code: String,
}

/// A validated request for a code.
#[derive(Debug)]
pub struct CodeInput {
    pub purpose: Purpose,
    /// `None`: the account with this address.
    pub user_id: Option<Uuid>,
    /// The address to prove. `None`: the user's own.
    pub email: Option<String>,
    /// Otherwise the code is returned.
    pub is_mailed: bool,
}

/// A validated request for a code to sign up.
#[derive(Debug)]
pub struct SignUpCodeInput {
    pub email: String,
    /// Otherwise the code is returned.
    pub is_mailed: bool,
}

pub struct IssuedCode {
    /// `None` if there is no such account: then nobody learns the code.
    pub addressee: Option<Addressee>,
    /// Set if the code is not mailed.
    pub code: Option<String>,
    pub expires_at: DateTime<Utc>,
}

/// Issues and redeems codes; cheap to clone.
#[derive(Clone)]
pub struct Codes {
    key: Hmac<Sha256>,
    clock: Clock,
}

impl Codes {
    /// The key is derived from the service's secret.
    pub fn new(secrets: &DerivationOptions, clock: Clock) -> Self {
        Self { key: DerivedKey::new(secrets, "account codes").current, clock }
    }

    /// Derives the code with this id.
    pub fn code(&self, purpose: Purpose, id: Uuid) -> String {
        let code = self.key.clone().chain_update(purpose.name()).chain_update(id.as_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(code.finalize().into_bytes()))
    }

    /// Stores a code and queues its email, with the same work whether there is such an account or not. Wake the outbox
    /// after the commit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue(&self, tx: &Transaction, input: &CodeInput) -> Result<IssuedCode> {
        let id = Uuid::now_v7();
        let code = self.code(input.purpose, id);
        let now = self.clock.now();
        let lifetime = queries::Lifetime { now, expires_at: now + input.purpose.lifetime() };
        let expires_at = lifetime.expires_at;
        let addressee = queries::issue(tx, id, token_hash(&code), input, lifetime).await?;
        let is_known = addressee.as_ref().is_some_and(|addressee| !addressee.is_taken);
        let code = Some(code).filter(|_| is_known && !input.is_mailed);
        Ok(IssuedCode { addressee, code, expires_at })
    }

    /// Uses a code up in this transaction, which from then on acts for the code's user.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` when it does not work, for whatever reason.
    pub async fn redeem(
        &self,
        tx: &Transaction,
        purpose: Purpose,
        RedeemInput { request_id, code }: &RedeemInput,
    ) -> Result<RedeemedCode> {
        if !is_code(code) {
            return Err(invalid());
        }
        let redeemed = queries::redeem(tx, purpose, token_hash(code), *request_id, self.clock.now()).await?;
        let redeemed = redeemed.ok_or_else(invalid)?;
        tx.act_as(redeemed.user_id)?;
        Ok(redeemed)
    }
}

/// Checked first, so that a malformed code costs no round trip.
fn is_code(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .is_some_and(|bytes| bytes.len() == TOKEN_BYTES)
}

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
    fn a_code_depends_on_its_id_its_purpose_and_the_key_alone() {
        let id = Uuid::from_u128(1);
        let code = codes("secret").code(Purpose::ResetPassword, id);
        assert!(is_code(&code), "{code}");
        assert_eq!(code, codes("secret").code(Purpose::ResetPassword, id));
        assert_ne!(code, codes("other").code(Purpose::ResetPassword, id));
        assert_ne!(code, codes("secret").code(Purpose::VerifyEmail, id));
        assert_ne!(code, codes("secret").code(Purpose::ResetPassword, Uuid::from_u128(2)));
    }

    #[test]
    fn a_malformed_code_is_rejected() {
        for text in ["", "dfc_", "dfc_short", "dfs_", &"x".repeat(100_000)] {
            assert!(!is_code(text));
        }
    }
}
