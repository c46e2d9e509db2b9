//! Tokens for programs: named, scoped, with an end. A program that shows one acts as its user, within its scopes;
//! the authentication layer sees to those. They are looked up, cached and revoked as sessions are.

pub mod queries;
pub(crate) mod rpc;
mod wire;

use crate::schema::api_tokens;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use shared::authentication::Scopes;
use shared::idempotency::RequestKey;
use uuid::Uuid;

pub use rpc::ApiTokenApi;

/// Working tokens that a user has at most.
pub const MAX_TOKENS_PER_USER: i64 = 50;
/// How long a token lives at most.
pub const MAX_LIFE: TimeDelta = TimeDelta::days(366);

/// A token for a program, without the token itself.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = api_tokens, check_for_backend(diesel::pg::Pg))]
pub struct ApiToken {
    /// Key.
    pub id: Uuid,
    /// What its user calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Made.
    pub created_at: DateTime<Utc>,
    /// Ends by itself.
    pub expires_at: DateTime<Utc>,
    /// Last used, to about a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A wish for a token.
pub struct NewApiToken {
    key: Option<RequestKey>,
    name: String,
    scopes: Scopes,
    expires_at: DateTime<Utc>,
}
