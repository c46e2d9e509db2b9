//! SQL on `users`. Policies show users only their own account.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{ColumnsOf, Database, GatheredReads, PreparedQuery, Transaction, explain};
use shared::error::Result;
use uuid::Uuid;

use super::{User, UserChange, UserSummary};
use crate::CONSTRAINTS;
use crate::api_tokens::ApiToken;
use crate::schema::users;
use crate::sessions::Session;

/// Accounts of one call.
const MAX_READS_PER_CALL: usize = 64;

/// An account with the session and the API token that the caller may have called with.
pub type CallerRow = (User, Option<Session>, Option<ApiToken>);

type CallerColumns = (ColumnsOf<User>, Nullable<ColumnsOf<Session>>, Nullable<ColumnsOf<ApiToken>>);

/// Reads of single accounts.
pub fn gathered_reads(database: &Database) -> GatheredReads<User> {
    GatheredReads::new::<ColumnsOf<User>>(database, "identity.gather_users", MAX_READS_PER_CALL)
}

/// Reads of the accounts of callers, by the id of the session or of the API token.
pub fn gathered_caller_reads(database: &Database) -> GatheredReads<CallerRow> {
    GatheredReads::new::<CallerColumns>(database, "identity.gather_callers", MAX_READS_PER_CALL)
}

pub async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<User>> {
    Ok(users::table.find(id).select(User::as_select()).get_result(&mut conn).await.optional()?)
}

/// Locks the account until the transaction ends.
pub async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<User>> {
    let select = users::table.find(id).select(User::as_select()).for_no_key_update();
    Ok(select.get_result(&mut conn).await.optional()?)
}

/// Locks an account until the transaction ends; sent ahead of the next statement. A transaction that writes several rows
/// of an account begins with this, so that concurrent ones do not deadlock.
pub fn send_lock(tx: &Transaction, id: Uuid) -> Result<()> {
    tx.send_ahead(&format!("SELECT FROM identity.users WHERE id = '{id}' FOR NO KEY UPDATE"))
}

/// Updates an account and commits.
pub async fn update(tx: Transaction, id: Uuid, change: UserChange) -> Result<Option<User>> {
    let update = diesel::update(users::table.find(id)).set(change).returning(User::as_returning());
    Ok(tx.commit_with(update).await.map_err(explain(CONSTRAINTS))?.into_iter().next())
}

/// The summary of an active user.
pub async fn look_up(mut conn: &AsyncPgConnection, username: &str) -> Result<Option<UserSummary>> {
    let query =
        sql_query("SELECT id, username, first_name, last_name, avatar_url FROM identity.lookup_user($1)")
            .bind::<Text, _>(username);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

/// The summaries of active users, in no order.
pub async fn look_up_all(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<UserSummary>> {
    let query =
        sql_query("SELECT id, username, first_name, last_name, avatar_url FROM identity.lookup_users($1)")
            .bind::<Array<SqlUuid>, _>(ids);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}
