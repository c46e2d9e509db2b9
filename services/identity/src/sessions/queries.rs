//! SQL on `user_sessions`. Policies show users only their own.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid, Varchar};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::authentication::{SessionUse, TokenHash};
use shared::database::{PreparedQuery, Transaction};
use shared::error::Result;
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::Session;
use crate::schema::user_sessions;

/// A session by id, and the hash of its token.
pub async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<(Session, TokenHash)>> {
    let select = user_sessions::table.find(id).select((Session::as_select(), user_sessions::session_token));
    Ok(select.get_result(&mut conn).await.optional()?.and_then(with_hash))
}

/// The column has only hashes that this service wrote.
fn with_hash((session, hash): (Session, String)) -> Option<(Session, TokenHash)> {
    Some((session, TokenHash::from_hex(&hash)?))
}

/// Sessions that can still be used or refreshed, newest first, and one more than the page holds.
pub async fn list(
    mut conn: &AsyncPgConnection,
    now: DateTime<Utc>,
    page: &Page<AfterTime>,
) -> Result<Vec<Session>> {
    let mut select = user_sessions::table
        .filter(user_sessions::is_active)
        .filter(user_sessions::refresh_expires_at.gt(now))
        .order((user_sessions::created_at.desc(), user_sessions::id.desc()))
        .limit(page.size + 1)
        .select(Session::as_select())
        .into_boxed();
    if let Some(AfterTime { at, id }) = page.after {
        select = select.filter(
            user_sessions::created_at
                .lt(at)
                .or(user_sessions::created_at.eq(at).and(user_sessions::id.lt(id))),
        );
    }
    Ok(select.load(&mut conn).await?)
}

/// When a session of the current user began.
pub async fn signed_in_at(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<DateTime<Utc>>> {
    let session = user_sessions::table.find(id).select(user_sessions::created_at);
    Ok(session.get_result(&mut conn).await.optional()?)
}

/// Valid sessions of the current user except this one.
pub async fn count_others(mut conn: &AsyncPgConnection, current: Uuid, now: DateTime<Utc>) -> Result<i64> {
    let others = user_sessions::table
        .filter(user_sessions::id.ne(current))
        .filter(user_sessions::is_active)
        .filter(user_sessions::refresh_expires_at.gt(now))
        .count();
    Ok(others.get_result(&mut conn).await?)
}

/// Ends a session and commits. `None` if there is no such session.
pub async fn revoke(tx: Transaction, id: Uuid) -> Result<Option<(Session, TokenHash)>> {
    let update = diesel::update(user_sessions::table.find(id))
        .set(user_sessions::is_active.eq(false))
        .returning((Session::as_select(), user_sessions::session_token));
    Ok(tx.commit_with(update).await?.into_iter().next().and_then(with_hash))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeScope {
    /// All sessions except this one.
    OtherSessions(Uuid),
    /// All sessions except this one, and all API tokens.
    OtherSessionsAndApiTokens(Uuid),
    Sessions,
    /// All sessions and API tokens, to keep out whoever had access before.
    SessionsAndApiTokens,
}

/// Ends sessions of the current user, perhaps also API tokens, and commits. Returns the number of ended sessions, and the
/// hashes of all tokens that caches must drop: also those of sessions that were revoked earlier. Lock the account first.
pub async fn revoke_all(
    tx: Transaction,
    scope: RevokeScope,
    now: DateTime<Utc>,
) -> Result<(usize, Vec<TokenHash>)> {
    let kept = match scope {
        RevokeScope::OtherSessions(kept) | RevokeScope::OtherSessionsAndApiTokens(kept) => Some(kept),
        RevokeScope::Sessions | RevokeScope::SessionsAndApiTokens => None,
    };
    let with_tokens =
        matches!(scope, RevokeScope::SessionsAndApiTokens | RevokeScope::OtherSessionsAndApiTokens(_));
    let query = diesel::sql_query(
        "WITH others AS (UPDATE identity.user_sessions SET is_active = false \
         WHERE id IS DISTINCT FROM $1 AND is_active AND refresh_expires_at > $2 RETURNING session_token), \
         tokens AS (UPDATE identity.api_tokens SET revoked_at = $2 WHERE $3 AND revoked_at IS NULL \
         RETURNING token_hash) \
         SELECT session_token, true AS ends_now FROM others \
         UNION ALL SELECT session_token, false FROM identity.user_sessions \
         WHERE id IS DISTINCT FROM $1 AND NOT is_active AND expires_at > $2 \
         UNION ALL SELECT token_hash, false FROM tokens",
    )
    .bind::<Nullable<SqlUuid>, _>(kept)
    .bind::<Timestamptz, _>(now)
    .bind::<Bool, _>(with_tokens);
    let ended: Vec<EndedRow> = tx.commit_with(PreparedQuery(query)).await?;
    let revoked = ended.iter().filter(|row| row.ends_now).count();
    Ok((revoked, ended.iter().filter_map(|row| TokenHash::from_hex(&row.session_token)).collect()))
}

#[derive(QueryableByName)]
struct EndedRow {
    #[diesel(sql_type = Varchar)]
    session_token: String,
    #[diesel(sql_type = Bool)]
    ends_now: bool,
}

/// As the background role: the hashes of tokens that ended before their time, while copies made after `since` may be
/// valid.
pub async fn revoked_tokens(
    mut conn: &AsyncPgConnection,
    now: DateTime<Utc>,
    since: DateTime<Utc>,
) -> Result<Vec<TokenHash>> {
    let query = diesel::sql_query(
        "SELECT t AS session_token, false AS ends_now FROM identity.revoked_tokens($1, $2) t",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(since);
    let revoked: Vec<EndedRow> = query.load(&mut conn).await?;
    Ok(revoked.iter().filter_map(|row| TokenHash::from_hex(&row.session_token)).collect())
}

/// The session of a refresh token.
#[derive(QueryableByName)]
pub struct FoundRefreshToken {
    /// Of the session.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    /// Of the session.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// When the token was used before; `None` if never.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub rotated_at: Option<DateTime<Utc>>,
}

/// The session of a refresh token, locked until the transaction ends. Knowing the token is the authorization.
pub async fn find_refresh_token(
    mut conn: &AsyncPgConnection,
    hash: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<FoundRefreshToken>> {
    let query = diesel::sql_query(
        "SELECT id, user_id, created_at, rotated_at FROM identity.find_refresh_token($1, $2)",
    )
    .bind::<Text, _>(hash.to_hex())
    .bind::<Timestamptz, _>(now);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

/// Stores when sessions and API tokens were last used, at most once a minute each, as the background role. Locked rows
/// are left to the next report.
pub async fn update_last_seen(
    mut conn: &AsyncPgConnection,
    seen: &[SessionUse],
    now: DateTime<Utc>,
) -> Result<()> {
    let (ids, times): (Vec<_>, Vec<_>) = seen.iter().map(|seen| (seen.session_id, seen.at.min(now))).unzip();
    let query = diesel::sql_query(
        "WITH due AS (SELECT s.id, seen.at FROM unnest($1, $2) seen(id, at) \
         JOIN identity.user_sessions s ON s.id = seen.id \
         WHERE s.last_seen_at IS NULL OR s.last_seen_at <= seen.at - interval '1 minute' \
         FOR NO KEY UPDATE OF s SKIP LOCKED) \
         UPDATE identity.user_sessions s SET last_seen_at = due.at FROM due WHERE s.id = due.id",
    )
    .bind::<Array<SqlUuid>, _>(&ids)
    .bind::<Array<Timestamptz>, _>(&times);
    PreparedQuery(query).execute(&mut conn).await?;
    let query = diesel::sql_query(
        "WITH due AS (SELECT t.id, seen.at FROM unnest($1, $2) seen(id, at) \
         JOIN identity.api_tokens t ON t.id = seen.id \
         WHERE t.last_used_at IS NULL OR t.last_used_at <= seen.at - interval '1 minute' \
         FOR NO KEY UPDATE OF t SKIP LOCKED) \
         UPDATE identity.api_tokens t SET last_used_at = due.at FROM due WHERE t.id = due.id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Timestamptz>, _>(times);
    PreparedQuery(query).execute(&mut conn).await?;
    Ok(())
}
