//! SQL on `user_sessions`, for the calling user: policies show no other's.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text, Uuid as SqlUuid, Varchar};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::authentication::TokenHash;
use shared::database::{Prepared, Transaction};
use shared::error::Result;
use shared::page::{AfterTime, Page};
use shared::schema::identity::user_sessions;
use uuid::Uuid;

use super::{REFRESH_GRACE_SECONDS, Session};

/// A session by id, and the hash of its token.
pub async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<(Session, TokenHash)>> {
    let select = user_sessions::table.find(id).select((Session::as_select(), user_sessions::session_token));
    Ok(select.get_result(&mut conn).await.optional()?.and_then(with_hash))
}

/// The column holds nothing but hashes that this service wrote.
fn with_hash((session, hash): (Session, String)) -> Option<(Session, TokenHash)> {
    Some((session, TokenHash::from_hex(&hash)?))
}

/// Sessions that can still be used or refreshed, newest first, and one more than the page holds.
pub async fn list(mut conn: &AsyncPgConnection, page: &Page<AfterTime>) -> Result<Vec<Session>> {
    let mut select = user_sessions::table
        .filter(user_sessions::is_active)
        .filter(user_sessions::refresh_expires_at.gt(diesel::dsl::now))
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

/// Ends one session and commits; answers with the hash of its token if it was there.
pub async fn revoke(tx: Transaction, id: Uuid) -> Result<Option<(Session, TokenHash)>> {
    let update = diesel::update(user_sessions::table.find(id))
        .set(user_sessions::is_active.eq(false))
        .returning((Session::as_select(), user_sessions::session_token));
    Ok(tx.commit_with(update).await?.into_iter().next().and_then(with_hash))
}

/// Ends all sessions of the user but one and commits; answers how many, and the hashes of all other tokens that
/// nobody may hold for working any more: also of sessions that had ended before their time.
pub async fn revoke_others(tx: Transaction, kept: Uuid) -> Result<(usize, Vec<TokenHash>)> {
    let query = diesel::sql_query(
        "WITH others AS (UPDATE identity.user_sessions SET is_active = false \
         WHERE id <> $1 AND is_active AND refresh_expires_at > now() RETURNING session_token) \
         SELECT session_token, true AS ends_now FROM others \
         UNION ALL SELECT session_token, false FROM identity.user_sessions \
         WHERE id <> $1 AND NOT is_active AND expires_at > now()",
    )
    .bind::<SqlUuid, _>(kept);
    let ended: Vec<EndedRow> = tx.commit_with(Prepared(query)).await?;
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

/// What a refresh token stands for.
#[derive(QueryableByName)]
pub struct FoundRefresh {
    /// The session.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Its user.
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    /// Whether the token was exchanged within the grace; `None` if it never was.
    #[diesel(sql_type = Nullable<Bool>)]
    pub exchanged_just_now: Option<bool>,
}

/// The session of a refresh token, locked until the transaction ends, whoever asks: knowing the token is the
/// proof.
pub async fn find_refresh(mut conn: &AsyncPgConnection, hash: TokenHash) -> Result<Option<FoundRefresh>> {
    let query = diesel::sql_query(format!(
        "SELECT id, user_id, rotated_at > now() - interval '{REFRESH_GRACE_SECONDS} seconds' AS exchanged_just_now \
         FROM identity.find_refresh($1)"
    ))
    .bind::<Text, _>(hash.to_hex());
    Ok(Prepared(query).get_result(&mut conn).await.optional()?)
}
