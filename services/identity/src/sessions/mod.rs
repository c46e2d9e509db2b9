//! Sessions.
//!
//! A session begins with a login, is extended by refreshing, and ends when it is revoked or not refreshed in time. It
//! stays in the table for a day after its end.

mod device;
mod device_tokens;
mod expiry;
mod lifetimes;
pub mod queries;
mod resolver;
mod revocations;
mod rpc;
mod store;
mod tokens;
mod wire;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use ipnetwork::IpNetwork;
use shared::error::{Error, ErrorReason};
use uuid::Uuid;

use crate::schema::user_sessions;

pub use device::Device;
pub use device_tokens::DeviceTokenKey;
pub use expiry::delete_ended;
pub use lifetimes::{REFRESH_GRACE, SessionExpiry, SessionOptions};
pub use revocations::Revocations;
pub use store::SessionStore;
pub use tokens::{ApiTokenKey, SuccessorKey, Tokens, is_refresh_token};

/// A session without its tokens.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = user_sessions, check_for_backend(diesel::pg::Pg))]
pub struct Session {
    pub id: Uuid,
    pub user_id: Uuid,
    pub ip_address: Option<IpNetwork>,
    pub user_agent: Option<String>,
    pub is_active: bool,
    /// The time of the login.
    pub created_at: DateTime<Utc>,
    /// Of the session token.
    pub expires_at: DateTime<Utc>,
    /// Of the refresh token.
    pub refresh_expires_at: DateTime<Utc>,
    /// Accurate to about a minute.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// The same error for a malformed, unknown, expired or revoked token.
pub const SESSION_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionInvalid,
    message: "the session is unknown, expired or revoked; sign in",
};
