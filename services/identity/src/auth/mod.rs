//! Registration, sign-up, login, refresh and logout.
//!
//! Before there is a session, functions of the database answer what must be known of an account, one question each. No
//! transaction is open while a password is hashed.

mod login;
mod password_verifier;
mod queries;
mod refresh;
mod rpc;
mod sign_up;
mod wire;

use shared::error::{Error, ErrorReason, Result};
use shared::idempotency::RequestKey;
use uuid::Uuid;

use crate::codes::RedeemInput;
use crate::encryption::{AssociatedData, EncryptedText, FIRST_NAME, KeyRing, LAST_NAME};

pub use password_verifier::{Owner, PasswordVerifier, VerifiedOwner};

/// A validated request for an account in one step.
struct RegisterInput {
    /// Does not cover the password and the names.
    key: Option<RequestKey>,
    email: String,
    account: NewAccount,
}

/// A validated request for an account with the address that a code proves.
struct CompleteSignUpInput {
    redeem: RedeemInput,
    account: NewAccount,
}

/// The fields of a new account except its address.
struct NewAccount {
    username: String,
    password: String,
    first_name: Option<String>,
    last_name: Option<String>,
}

/// An account that is ready to be stored.
struct AccountDraft<'a> {
    user_id: Uuid,
    email: &'a str,
    email_verified: bool,
    account: &'a NewAccount,
    password_hash: &'a str,
}

struct EncryptedNames {
    first_name: Option<EncryptedText>,
    last_name: Option<EncryptedText>,
}

impl NewAccount {
    fn encrypted_names(&self, keys: &KeyRing, user_id: Uuid) -> Result<EncryptedNames> {
        let encrypt = |column, name: &Option<String>| {
            keys.encrypt_optional(AssociatedData::new(column, user_id), name.as_deref())
        };
        Ok(EncryptedNames {
            first_name: encrypt(FIRST_NAME, &self.first_name)?,
            last_name: encrypt(LAST_NAME, &self.last_name)?,
        })
    }
}

/// The validated credentials of a login.
pub struct LoginInput {
    /// Email address or username.
    pub login: String,
    pub password: String,
    /// Empty on a device that is not known.
    pub device_token: String,
}

/// The same error for an unknown account and a wrong password.
const INVALID_CREDENTIALS: Error = Error::Unauthenticated {
    reason: ErrorReason::InvalidCredentials,
    message: "login and password do not match an active account",
};
