//! Administration of accounts by operators: list, suspend, reactivate, delete, erase and export.
//!
//! It uses the background role, which acts for no user. Each action is a security event of the account with the
//! operator's name.

mod export;
mod queries;
mod rpc;
mod wire;

use chrono::{DateTime, Utc};
use shared::validation::TimeRange;

use crate::schema::UserStatus;

pub use export::stream as export;

#[derive(Debug, Default)]
struct UserFilter {
    statuses: Vec<UserStatus>,
    email_verified: Option<bool>,
    /// In lower case.
    email_prefix: String,
    username_prefix: String,
    created_at: TimeRange,
    no_login_since: Option<DateTime<Utc>>,
}
