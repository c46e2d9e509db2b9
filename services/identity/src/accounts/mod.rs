//! Changes by users of their own accounts: address, password, deletion, export.
//!
//! A change of the credentials requires the password or a code, ends the sessions that a thief may have, and is reported
//! to the owner by email.

mod queries;
mod rpc;
mod wire;

use shared::idempotency::RequestKey;

use crate::codes::RedeemInput;

/// A validated request for a new password, with a code.
struct ResetPasswordInput {
    redeem: RedeemInput,
    new_password: String,
}

/// A validated request for a new password, with the old one.
struct ChangePasswordInput {
    /// Does not cover the passwords: the stored hash would allow guessing them.
    key: Option<RequestKey>,
    old_password: String,
    new_password: String,
    revoke_api_tokens: bool,
}

/// A validated request for a new address.
struct ChangeEmailInput {
    password: String,
    new_email: String,
}
