//! What operators do with the accounts of others: look for them, close and open them, erase and export them.
//!
//! It is background work: it acts for no user, so the role's own policies and functions decide. Each act is a
//! security event of the account that names the operator.

mod export;
mod queries;
pub(crate) mod rpc;
mod wire;

use crate::schema::UserStatus;
use chrono::{DateTime, Utc};

pub use export::stream as export;
pub use rpc::UserAdministrationApi;

/// Which accounts to list.
#[derive(Debug, Default)]
struct Filter {
    statuses: Vec<UserStatus>,
    email_verified: Option<bool>,
    /// In lower case.
    email_prefix: String,
    username_prefix: String,
    created_since: Option<DateTime<Utc>>,
    created_before: Option<DateTime<Utc>>,
    unused_since: Option<DateTime<Utc>>,
}
