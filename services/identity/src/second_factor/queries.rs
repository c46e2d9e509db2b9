//! SQL on second factors. Policies show users only their own.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, Transaction};
use shared::error::Result;
use uuid::Uuid;

use super::{FactorStatus, already_enabled};
use crate::encryption::EncryptedText;

/// A factor, locked until the transaction ends.
#[derive(QueryableByName)]
pub struct Factor {
    #[diesel(sql_type = Text)]
    pub totp_secret: EncryptedText,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub confirmed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub last_used_step: i64,
}

#[derive(QueryableByName)]
struct EnabledRow {
    #[diesel(sql_type = Bool)]
    is_enabled: bool,
}

#[derive(QueryableByName)]
struct StatusRow {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    confirmed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    remaining_recovery_codes: i64,
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
}

pub async fn is_enabled(mut conn: &AsyncPgConnection, user_id: Uuid) -> Result<bool> {
    let query = sql_query(
        "SELECT EXISTS (SELECT 1 FROM identity.user_second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL) \
         AS is_enabled",
    );
    Ok(PreparedQuery(query.bind::<SqlUuid, _>(user_id)).get_result::<EnabledRow>(&mut conn).await?.is_enabled)
}

/// The default if the user has no enabled factor.
pub async fn find_status(mut conn: &AsyncPgConnection, user_id: Uuid) -> Result<FactorStatus> {
    let query = sql_query(
        "SELECT f.confirmed_at, (SELECT count(*) FROM identity.user_recovery_codes c WHERE c.user_id = f.user_id) \
         AS remaining_recovery_codes FROM identity.user_second_factors f WHERE f.user_id = $1 AND f.confirmed_at IS NOT NULL",
    );
    let found: Option<StatusRow> =
        PreparedQuery(query.bind::<SqlUuid, _>(user_id)).get_result(&mut conn).await.optional()?;
    Ok(found.map_or_else(FactorStatus::default, |row| FactorStatus {
        confirmed_at: row.confirmed_at,
        remaining_recovery_codes: row.remaining_recovery_codes,
    }))
}

/// The user's factor, locked: of two calls with one code the second finds it used. Lock the account first.
pub(super) async fn lock(mut conn: &AsyncPgConnection, user_id: Uuid) -> Result<Option<Factor>> {
    let query = sql_query(
        "SELECT totp_secret, created_at, confirmed_at, last_used_step FROM identity.user_second_factors \
         WHERE user_id = $1 FOR UPDATE",
    );
    Ok(PreparedQuery(query.bind::<SqlUuid, _>(user_id)).get_result(&mut conn).await.optional()?)
}

/// Stores a secret that waits for its confirmation, in place of a former one, and commits.
pub(super) async fn upsert_unconfirmed(
    tx: Transaction,
    user_id: Uuid,
    secret: &EncryptedText,
    now: DateTime<Utc>,
) -> Result<()> {
    let query = sql_query(
        "INSERT INTO identity.user_second_factors (user_id, totp_secret, created_at) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id) DO UPDATE SET totp_secret = excluded.totp_secret, created_at = excluded.created_at \
         WHERE user_second_factors.confirmed_at IS NULL RETURNING user_id",
    )
    .bind::<SqlUuid, _>(user_id)
    .bind::<Text, _>(secret)
    .bind::<Timestamptz, _>(now);
    let stored: Vec<Owner> = tx.commit_with(query).await?;
    if stored.is_empty() { Err(already_enabled()) } else { Ok(()) }
}

/// Stores the time step of a code; sent ahead of the next statement.
pub(super) fn send_last_used_step(tx: &Transaction, user_id: Uuid, step: i64) -> Result<()> {
    tx.send_ahead(&format!(
        "UPDATE identity.user_second_factors SET last_used_step = {step} WHERE user_id = '{user_id}'"
    ))
}

/// Returns whether the code existed.
pub(super) async fn delete_recovery_code(
    mut conn: &AsyncPgConnection,
    user_id: Uuid,
    hash: &[u8],
) -> Result<bool> {
    let query = sql_query("DELETE FROM identity.user_recovery_codes WHERE user_id = $1 AND code_hash = $2")
        .bind::<SqlUuid, _>(user_id)
        .bind::<Bytea, _>(hash);
    Ok(PreparedQuery(query).execute(&mut conn).await? > 0)
}

/// Stores a set of recovery codes in place of the former one, enables the factor if it is not yet, and commits.
pub(super) async fn replace_recovery_codes(
    tx: Transaction,
    user_id: Uuid,
    hashes: Vec<Vec<u8>>,
    now: DateTime<Utc>,
) -> Result<()> {
    let query = sql_query(
        "WITH factor AS (UPDATE identity.user_second_factors SET confirmed_at = coalesce(confirmed_at, $3) \
         WHERE user_id = $1 RETURNING user_id), \
         former AS (DELETE FROM identity.user_recovery_codes WHERE user_id = $1) \
         INSERT INTO identity.user_recovery_codes (user_id, code_hash) \
         SELECT factor.user_id, hash FROM factor, unnest($2) hash RETURNING user_id",
    )
    .bind::<SqlUuid, _>(user_id)
    .bind::<Array<Bytea>, _>(hashes)
    .bind::<Timestamptz, _>(now);
    let _stored: Vec<Owner> = tx.commit_with(query).await?;
    Ok(())
}

/// Deletes a user's factor, recovery codes and challenges, and commits. Returns whether the factor was enabled. Lock the
/// account first.
pub(super) async fn delete(tx: Transaction, user_id: Uuid) -> Result<bool> {
    let query = sql_query(
        "WITH factor AS (DELETE FROM identity.user_second_factors WHERE user_id = $1 \
         RETURNING confirmed_at IS NOT NULL AS is_enabled), \
         codes AS (DELETE FROM identity.user_recovery_codes WHERE user_id = $1), \
         challenges AS (DELETE FROM identity.second_factor_challenges WHERE user_id = $1) \
         SELECT is_enabled FROM factor",
    )
    .bind::<SqlUuid, _>(user_id);
    let removed: Vec<EnabledRow> = tx.commit_with(query).await?;
    Ok(removed.into_iter().any(|row| row.is_enabled))
}

/// Inserts a challenge, deletes the user's expired ones, and commits.
pub(super) async fn insert_challenge(
    tx: Transaction,
    user_id: Uuid,
    hash: &str,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<()> {
    let query = sql_query(
        "WITH expired AS (DELETE FROM identity.second_factor_challenges WHERE user_id = $1 AND expires_at <= $3) \
         INSERT INTO identity.second_factor_challenges (user_id, token_hash, expires_at) VALUES ($1, $2, $4) \
         RETURNING user_id",
    )
    .bind::<SqlUuid, _>(user_id)
    .bind::<Text, _>(hash)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(expires_at);
    let _stored: Vec<Owner> = tx.commit_with(query).await?;
    Ok(())
}

/// Counts an attempt at a challenge and commits. Returns the challenge's user, or `None` if no attempt is left.
pub(super) async fn count_attempt(
    tx: Transaction,
    hash: &str,
    now: DateTime<Utc>,
    max_attempts: i32,
) -> Result<Option<Uuid>> {
    let query = sql_query("SELECT user_id FROM identity.count_challenge_attempt($1, $2, $3) AS user_id")
        .bind::<Text, _>(hash)
        .bind::<Timestamptz, _>(now)
        .bind::<Integer, _>(max_attempts);
    let counted: Vec<Owner> = tx.commit_with(query).await?;
    Ok(counted.into_iter().next().map(|owner| owner.user_id))
}

/// Returns whether the challenge existed.
pub(super) async fn delete_challenge(mut conn: &AsyncPgConnection, hash: &str) -> Result<bool> {
    let query = sql_query("DELETE FROM identity.second_factor_challenges WHERE token_hash = $1");
    Ok(PreparedQuery(query.bind::<Text, _>(hash)).execute(&mut conn).await? > 0)
}
