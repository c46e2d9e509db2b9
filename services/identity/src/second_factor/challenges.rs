//! What stands between a password and a session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use rand::RngCore as _;
use shared::authentication::{TOKEN_BYTES, token_hash};
use shared::database::{AsyncPgConnection, Database, Transaction};
use shared::error::Result;
use uuid::Uuid;

use super::{CHALLENGE_INVALID, queries};

/// What challenge tokens begin with.
const PREFIX: &str = "dfl_";
/// How long somebody may look for the app.
const LIFE: TimeDelta = TimeDelta::minutes(5);
/// Codes that may be tried on one challenge.
const MAX_ATTEMPTS: i32 = 5;

/// A challenge to somebody who gave the right password. Its token is shown once.
pub struct Challenge {
    pub(super) token: String,
    pub(super) expires_at: DateTime<Utc>,
}

/// Challenges the user of this transaction, and commits.
///
/// # Errors
/// Those of the database.
pub async fn begin_challenge(tx: Transaction, user_id: Uuid, now: DateTime<Utc>) -> Result<Challenge> {
    let mut bytes = [0; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let expires_at = now + LIFE;
    queries::store_challenge(tx, user_id, &token_hash(&token).to_hex(), now, expires_at).await?;
    Ok(Challenge { token, expires_at })
}

/// Takes an attempt before a code is looked at, so that many at once are not more, and answers who is challenged.
///
/// # Errors
/// `UNAUTHENTICATED` when there is no such challenge, or it has no attempt left.
pub async fn take_attempt(database: &Database, token: &str, now: DateTime<Utc>) -> Result<Uuid> {
    if !token.starts_with(PREFIX) {
        return Err(CHALLENGE_INVALID);
    }
    let tx = database.begin_as(Uuid::nil()).await?;
    let taken = queries::take_attempt(tx, &token_hash(token).to_hex(), now, MAX_ATTEMPTS).await?;
    taken.ok_or(CHALLENGE_INVALID)
}

/// Uses a challenge up, in the transaction of the session that it becomes; whether it was there.
pub(super) async fn use_up(conn: &AsyncPgConnection, token: &str) -> Result<bool> {
    queries::use_challenge(conn, &token_hash(token).to_hex()).await
}
