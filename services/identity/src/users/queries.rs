//! SQL on `users`, for the calling user: policies show no other's.

use crate::schema::users;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Prepared, Transaction, explain};
use shared::error::Result;
use uuid::Uuid;

use super::{User, UserChange, UserSummary};
use crate::CONSTRAINTS;

/// An account.
pub async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<User>> {
    Ok(users::table.find(id).select(User::as_select()).get_result(&mut conn).await.optional()?)
}

/// An account, locked until the transaction ends.
pub async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<User>> {
    let select = users::table.find(id).select(User::as_select()).for_no_key_update();
    Ok(select.get_result(&mut conn).await.optional()?)
}

/// Locks an account until the transaction ends, ahead of the next statement: whoever writes several rows that belong to
/// an account begins here, so that nobody waits in a circle.
pub fn lock_ahead(tx: &Transaction, id: Uuid) -> Result<()> {
    tx.send_ahead(&format!("SELECT FROM identity.users WHERE id = '{id}' FOR NO KEY UPDATE"))
}

/// Changes an account and commits.
pub async fn change(tx: Transaction, id: Uuid, change: UserChange) -> Result<Option<User>> {
    let update = diesel::update(users::table.find(id)).set(change).returning(User::as_returning());
    Ok(tx.commit_with(update).await.map_err(explain(CONSTRAINTS))?.into_iter().next())
}

/// What anyone signed in may know of an active user.
pub async fn look_up(mut conn: &AsyncPgConnection, username: &str) -> Result<Option<UserSummary>> {
    let query =
        sql_query("SELECT id, username, first_name, last_name, avatar_url FROM identity.lookup_user($1)")
            .bind::<Text, _>(username);
    Ok(Prepared(query).get_result(&mut conn).await.optional()?)
}

/// What anyone signed in may know of these users.
pub async fn look_up_all(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<UserSummary>> {
    let query =
        sql_query("SELECT id, username, first_name, last_name, avatar_url FROM identity.lookup_users($1)")
            .bind::<Array<SqlUuid>, _>(ids);
    Ok(Prepared(query).load(&mut conn).await?)
}
