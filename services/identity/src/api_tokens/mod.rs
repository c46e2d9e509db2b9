//! API tokens for programs. A program acts as the token's user within the token's scopes, which the authentication layer
//! enforces. Tokens are looked up, cached and revoked like sessions.

pub mod queries;
mod rpc;
mod wire;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use shared::authentication::Scopes;
use shared::idempotency::RequestKey;
use uuid::Uuid;

use crate::schema::api_tokens;

/// Valid tokens of one user.
pub const MAX_TOKENS_PER_USER: i64 = 50;
pub const MAX_LIFETIME: TimeDelta = TimeDelta::days(366);
/// How long after signing in a token is created without the password.
const MAX_SIGN_IN_AGE: TimeDelta = TimeDelta::minutes(10);

/// Without the token itself.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = api_tokens, check_for_backend(diesel::pg::Pg))]
pub struct ApiToken {
    pub id: Uuid,
    pub name: String,
    pub scopes: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Accurate to about a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A validated request for a token.
pub struct CreateApiTokenInput {
    key: Option<RequestKey>,
    /// `None` if it was not given.
    password: Option<String>,
    name: String,
    scopes: Scopes,
    expires_at: DateTime<Utc>,
}
