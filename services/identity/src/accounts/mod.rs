//! What users do with their own accounts beside signing in: prove an address, change or reset a password, leave.
//!
//! What changes the way into an account asks for the password or a code, ends the sessions that a thief might hold,
//! and is told by mail.

mod queries;
pub(crate) mod rpc;
mod wire;

use crate::codes::Redemption;

pub use rpc::AccountApi;

/// A wish for a new password, with a code.
struct Reset {
    redemption: Redemption,
    new_password: String,
}

/// A wish for a new password, with the old one.
struct PasswordChange {
    old_password: String,
    new_password: String,
}

/// A wish for another address.
struct EmailChange {
    password: String,
    new_email: String,
}
