//! Signing up, in and out.
//!
//! It happens before there is a user: what must be known of an account then comes from functions of the
//! database that answer one question each. No transaction is open while a password is hashed.

mod proof;
mod queries;
mod refresh;
pub(crate) mod rpc;
pub(crate) mod sign_up;
mod wire;

use shared::caller::Session as WorkingSession;
use shared::error::{Error, ErrorReason, Result};
use shared::idempotency::RequestKey;
use uuid::Uuid;

use crate::codes::Redemption;
use crate::encryption::{FIRST_NAME, KeyRing, LAST_NAME, Place, Sealed};
use crate::sessions::Session;
use crate::users::User;

pub use proof::PasswordVerifier;
pub use rpc::AuthApi;
pub use sign_up::SignUpApi;

/// A wish for an account in one step.
pub struct Registration {
    /// Makes a retry safe; does not cover the password and the names.
    key: Option<RequestKey>,
    email: String,
    account: NewAccount,
}

/// A wish for an account with the address that a code proves.
struct Completion {
    redemption: Redemption,
    account: NewAccount,
}

/// What somebody wants an account to be, beside its address.
struct NewAccount {
    username: String,
    password: String,
    first_name: Option<String>,
    last_name: Option<String>,
}

/// The account that is to be made of it.
struct AccountDraft<'a> {
    user_id: Uuid,
    email: &'a str,
    /// Whether the address is proven.
    email_verified: bool,
    account: &'a NewAccount,
    password_hash: &'a str,
}

/// Given and family name as the table holds them.
struct SealedNames {
    first_name: Option<Sealed>,
    last_name: Option<Sealed>,
}

impl NewAccount {
    fn sealed_names(&self, keys: &KeyRing, user_id: Uuid) -> Result<SealedNames> {
        Ok(SealedNames {
            first_name: keys.seal_some(Place::of(FIRST_NAME, user_id), self.first_name.as_deref())?,
            last_name: keys.seal_some(Place::of(LAST_NAME, user_id), self.last_name.as_deref())?,
        })
    }
}

/// A wish for a session.
pub struct Login {
    /// E-mail address or username.
    pub login: String,
    /// The password.
    pub password: String,
}

/// An account with a session that has just begun or been prolonged.
struct Opened {
    user: User,
    session: Session,
    /// Of the tokens that worked before and no longer do.
    ended: Vec<shared::authentication::TokenHash>,
}

impl Opened {
    /// What the session store holds.
    fn working(&self) -> WorkingSession {
        WorkingSession {
            session_id: self.session.id,
            user_id: self.user.id,
            expires_at: self.session.expires_at,
            scopes: None,
        }
    }
}

/// The refusal that does not tell an unknown account from a wrong password.
const INVALID_CREDENTIALS: Error = Error::Unauthenticated {
    reason: ErrorReason::InvalidCredentials,
    message: "login and password do not match an active account",
};
