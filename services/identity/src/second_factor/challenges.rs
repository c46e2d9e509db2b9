//! Challenges: the step between a password and a session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use rand::RngCore as _;
use shared::authentication::{TOKEN_BYTES, token_hash};
use shared::database::{AsyncPgConnection, Database, Transaction};
use shared::error::Result;
use uuid::Uuid;

use super::{CHALLENGE_INVALID, queries};

const PREFIX: &str = "dfl_";
const LIFETIME: TimeDelta = TimeDelta::minutes(5);
const MAX_ATTEMPTS: i32 = 5;

/// A challenge to a user who gave the right password. Its token is shown once.
pub struct Challenge {
    pub(super) token: String,
    pub(super) expires_at: DateTime<Utc>,
}

/// Stores a challenge to the user of this transaction, and commits.
///
/// # Errors
/// Those of the database.
pub async fn create_challenge(tx: Transaction, user_id: Uuid, now: DateTime<Utc>) -> Result<Challenge> {
    let mut bytes = [0; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let expires_at = now + LIFETIME;
    queries::insert_challenge(tx, user_id, &token_hash(&token).to_hex(), now, expires_at).await?;
    Ok(Challenge { token, expires_at })
}

/// Counts an attempt before its code is checked, so that concurrent attempts are not more. Returns the user.
///
/// # Errors
/// `UNAUTHENTICATED` when there is no such challenge, or it has no attempt left.
pub async fn count_attempt(database: &Database, token: &str, now: DateTime<Utc>) -> Result<Uuid> {
    if !token.starts_with(PREFIX) {
        return Err(CHALLENGE_INVALID);
    }
    let tx = database.begin_as(Uuid::nil()).await?;
    let user_id = queries::count_attempt(tx, &token_hash(token).to_hex(), now, MAX_ATTEMPTS).await?;
    user_id.ok_or(CHALLENGE_INVALID)
}

/// Deletes a challenge in the transaction of the session that it becomes. Returns whether it existed.
pub(super) async fn delete(conn: &AsyncPgConnection, token: &str) -> Result<bool> {
    queries::delete_challenge(conn, &token_hash(token).to_hex()).await
}
