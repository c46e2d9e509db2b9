//! SQL on all accounts, as the background role.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Uuid as SqlUuid, Varchar};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use shared::authentication::TokenHash;
use shared::database::{PageByBytes, end_page_by_bytes};
use shared::error::Result;
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::UserFilter;
use crate::schema::{UserStatus, lower, user_sessions, users};
use crate::sessions::Session;
use crate::users::User;

/// The size of an account in a message.
const USER_BYTES: &str = "4000 + coalesce(octet_length(avatar_url), 0) + 4 * octet_length(metadata::text)";

/// Accounts, newest first, and one more if there is a next page, and the size of the page: it ends early by bytes.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &UserFilter,
    page: &Page<AfterTime>,
) -> Result<(Vec<User>, i64)> {
    let mut select = users::table
        .order((users::created_at.desc(), users::id.desc()))
        .limit(page.size + 1)
        .select(User::as_select())
        .into_boxed();
    if !filter.statuses.is_empty() {
        select = select.filter(users::status.eq_any(&filter.statuses));
    }
    if let Some(verified) = filter.email_verified {
        select = select.filter(users::email_verified.eq(verified));
    }
    if !filter.email_prefix.is_empty() {
        select = select.filter(users::email.like(prefix(&filter.email_prefix)));
    }
    if !filter.username_prefix.is_empty() {
        select = select.filter(lower(users::username).like(prefix(&filter.username_prefix.to_lowercase())));
    }
    if let Some(since) = filter.created_at.start {
        select = select.filter(users::created_at.ge(since));
    }
    if let Some(before) = filter.created_at.end {
        select = select.filter(users::created_at.lt(before));
    }
    if let Some(since) = filter.no_login_since {
        select = select.filter(users::last_login_at.is_null().or(users::last_login_at.lt(since)));
    }
    if let Some(AfterTime { at, id }) = page.after {
        let later_id = users::created_at.eq(at).and(users::id.lt(id));
        select = select.filter(users::created_at.lt(at).or(later_id));
    }
    let list = PageByBytes { list: select, row_bytes: USER_BYTES };
    Ok(end_page_by_bytes(list.load(&mut conn).await?, page.size))
}

/// A pattern for texts that begin with this one.
fn prefix(text: &str) -> String {
    format!("{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

#[derive(QueryableByName)]
struct TokenRow {
    #[diesel(sql_type = Varchar)]
    session_token: String,
}

fn hashes(rows: Vec<TokenRow>) -> Vec<TokenHash> {
    rows.iter().filter_map(|row| TokenHash::from_hex(&row.session_token)).collect()
}

/// Sets the status of an account. Returns the hashes of the tokens that no longer work.
pub(super) async fn set_status(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    status: UserStatus,
) -> Result<Vec<TokenHash>> {
    let name = match status {
        UserStatus::Active => "active",
        UserStatus::Inactive => "inactive",
        UserStatus::Suspended => "suspended",
        UserStatus::Deleted => "deleted",
    };
    let query = sql_query(format!(
        "SELECT s AS session_token FROM identity.set_user_status($1, '{name}') s \
         UNION ALL SELECT t FROM identity.revoke_api_tokens($1) t WHERE '{name}' <> 'active'"
    ))
    .bind::<SqlUuid, _>(id);
    Ok(hashes(query.load(&mut conn).await?))
}

/// Overwrites an account's personal data. Returns the hashes of the tokens that no longer work.
pub(super) async fn erase(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Vec<TokenHash>> {
    let query = sql_query(
        "SELECT s AS session_token FROM identity.erase_user($1) s \
         UNION ALL SELECT t FROM identity.revoke_api_tokens($1) t",
    )
    .bind::<SqlUuid, _>(id);
    Ok(hashes(query.load(&mut conn).await?))
}

/// A user's sessions, newest first.
pub(super) async fn list_sessions(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    max_rows: i64,
) -> Result<Vec<Session>> {
    let select = user_sessions::table
        .filter(user_sessions::user_id.eq(id))
        .order(user_sessions::created_at.desc())
        .limit(max_rows)
        .select(Session::as_select());
    Ok(select.load(&mut conn).await?)
}

#[derive(QueryableByName)]
pub(super) struct Change {
    #[diesel(sql_type = Text)]
    transaction: String,
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = Jsonb)]
    pub(super) change: Value,
}

/// Where a list of changes goes on.
#[derive(Clone)]
pub(super) struct ChangePosition {
    transaction: String,
    position: i64,
}

impl Change {
    pub(super) fn position(&self) -> ChangePosition {
        ChangePosition { transaction: self.transaction.clone(), position: self.position }
    }
}

/// The changes of a user's rows and the events of their account, oldest first.
pub(super) async fn list_changes(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    after: Option<&ChangePosition>,
    max_rows: i64,
) -> Result<Vec<Change>> {
    let query = sql_query(
        "SELECT transaction_id::text AS transaction, position, jsonb_build_object('changed_at', changed_at, \
         'entity', entity, 'entity_id', entity_id, 'operation', operation, 'old_values', old_values, \
         'new_values', new_values, 'actor_id', actor_id, 'trace_id', trace_id) AS change \
         FROM identity.change_log WHERE ((entity = 'users' AND entity_id = $1) \
         OR (entity IN ('user_profiles', 'user_sessions', 'security_event') \
         AND $1::text IN (old_values ->> 'user_id', new_values ->> 'user_id'))) \
         AND ($2 IS NULL OR (transaction_id, position) > ($2::xid8, $3)) \
         ORDER BY transaction_id, position LIMIT $4",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Nullable<Text>, _>(after.map(|after| after.transaction.as_str()))
    .bind::<Nullable<BigInt>, _>(after.map(|after| after.position))
    .bind::<BigInt, _>(max_rows);
    Ok(query.load(&mut conn).await?)
}
