//! Signed-in devices.
//!
//! A session begins with signing in, is prolonged by refreshing, and ends when it is revoked or not refreshed in
//! time. A session that has ended stays on record for a day.

mod device;
mod expiry;
mod lifetimes;
pub mod queries;
pub(crate) mod resolver;
mod revocations;
pub(crate) mod rpc;
mod store;
mod tokens;
pub mod wire;

use crate::schema::user_sessions;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use ipnetwork::IpNetwork;
use shared::error::{Error, ErrorReason};
use uuid::Uuid;

pub use device::Device;
pub use expiry::forget_ended;
pub use lifetimes::{Lease, REFRESH_GRACE, SessionOptions};
pub use resolver::SessionResolver;
pub use revocations::Revocations;
pub use rpc::SessionApi;
pub use store::SessionStore;
pub use tokens::{ApiTokenKey, Succession, Tokens, is_refresh_token};

/// A session as its user sees it: without tokens.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = user_sessions, check_for_backend(diesel::pg::Pg))]
pub struct Session {
    /// Key.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// Address that signed in.
    pub ip_address: Option<IpNetwork>,
    /// User agent that signed in.
    pub user_agent: Option<String>,
    /// Not revoked.
    pub is_active: bool,
    /// When the user signed in.
    pub created_at: DateTime<Utc>,
    /// End of the session token.
    pub expires_at: DateTime<Utc>,
    /// End of the refresh token.
    pub refresh_expires_at: DateTime<Utc>,
    /// Last used, to about a minute.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// The refusal of a token that is malformed, unknown, expired or revoked: callers cannot tell which.
pub const SESSION_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionInvalid,
    message: "the session is unknown, expired or revoked; sign in",
};
