//! SQL on `api_tokens`. Policies show users only their own.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::authentication::TokenHash;
use shared::database::Transaction;
use shared::error::Result;
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::{ApiToken, CreateApiTokenInput, MAX_TOKENS_PER_USER};
use crate::schema::api_tokens;

/// A token by id, and its hash.
pub async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<(ApiToken, TokenHash)>> {
    let select = api_tokens::table.find(id).select((ApiToken::as_select(), api_tokens::token_hash));
    Ok(select.get_result(&mut conn).await.optional()?.and_then(with_hash))
}

/// The column has only hashes that this service wrote.
fn with_hash((token, hash): (ApiToken, String)) -> Option<(ApiToken, TokenHash)> {
    Some((token, TokenHash::from_hex(&hash)?))
}

/// Valid tokens of the caller.
pub(super) async fn count_valid(mut conn: &AsyncPgConnection, now: DateTime<Utc>) -> Result<i64> {
    let valid = api_tokens::table
        .filter(api_tokens::revoked_at.is_null())
        .filter(api_tokens::expires_at.gt(now))
        .count();
    Ok(valid.get_result(&mut conn).await?)
}

/// The valid tokens of the caller, oldest first.
pub async fn list_valid(mut conn: &AsyncPgConnection, now: DateTime<Utc>) -> Result<Vec<ApiToken>> {
    let valid = api_tokens::table
        .filter(api_tokens::revoked_at.is_null())
        .filter(api_tokens::expires_at.gt(now))
        .order(api_tokens::created_at)
        .limit(MAX_TOKENS_PER_USER)
        .select(ApiToken::as_select());
    Ok(valid.load(&mut conn).await?)
}

/// Inserts a token and commits.
pub(super) async fn insert(
    tx: Transaction,
    (id, user_id): (Uuid, Uuid),
    input: &CreateApiTokenInput,
    hash: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<ApiToken>> {
    let insert = diesel::insert_into(api_tokens::table)
        .values((
            api_tokens::id.eq(id),
            api_tokens::user_id.eq(user_id),
            api_tokens::name.eq(&input.name),
            api_tokens::token_hash.eq(hash.to_hex()),
            api_tokens::scopes.eq(&input.scopes.0),
            api_tokens::created_at.eq(now),
            api_tokens::expires_at.eq(input.expires_at),
        ))
        .returning(ApiToken::as_returning());
    Ok(tx.commit_with(insert).await?.into_iter().next())
}

/// Tokens, newest first, and one more than the page holds.
pub(super) async fn list(mut conn: &AsyncPgConnection, page: &Page<AfterTime>) -> Result<Vec<ApiToken>> {
    let mut select = api_tokens::table
        .order((api_tokens::created_at.desc(), api_tokens::id.desc()))
        .limit(page.size + 1)
        .select(ApiToken::as_select())
        .into_boxed();
    if let Some(AfterTime { at, id }) = page.after {
        let before = api_tokens::created_at.lt(at);
        select = select.filter(before.or(api_tokens::created_at.eq(at).and(api_tokens::id.lt(id))));
    }
    Ok(select.load(&mut conn).await?)
}

/// The tokens of a user, newest first, as the background role.
pub async fn list_of_user(
    mut conn: &AsyncPgConnection,
    user_id: Uuid,
    max_rows: i64,
) -> Result<Vec<ApiToken>> {
    let select = api_tokens::table
        .filter(api_tokens::user_id.eq(user_id))
        .order(api_tokens::created_at.desc())
        .limit(max_rows)
        .select(ApiToken::as_select());
    Ok(select.load(&mut conn).await?)
}

/// Revokes a token and commits.
pub(super) async fn revoke(
    tx: Transaction,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<(ApiToken, TokenHash)>> {
    let update = diesel::update(api_tokens::table.find(id))
        .set(api_tokens::revoked_at.eq(now))
        .returning((ApiToken::as_returning(), api_tokens::token_hash));
    Ok(tx.commit_with(update).await?.into_iter().next().and_then(with_hash))
}
