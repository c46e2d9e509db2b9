//! SQL on the caller's own account.

use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use shared::database::PreparedQuery;
use shared::error::Result;
use uuid::Uuid;

use crate::schema::{UserStatus, users};

/// Stores a password hash and ends all codes of the current user. Lock the account first.
pub(super) async fn set_password_hash(conn: &AsyncPgConnection, id: Uuid, hash: &str) -> Result<()> {
    let update = diesel::update(users::table.find(id)).set(users::password_hash.eq(hash));
    let mut on = conn;
    let set = async { Ok(PreparedQuery(update).execute(&mut on).await?) };
    try_join!(set, revoke_codes(conn)).map(drop)
}

/// Marks the address as verified. Returns whether it still is the address of the account.
pub(super) async fn verify_email(mut conn: &AsyncPgConnection, id: Uuid, email: &str) -> Result<bool> {
    let own = users::table.find(id).filter(users::email.eq(email));
    let update = diesel::update(own).set(users::email_verified.eq(true));
    Ok(PreparedQuery(update).execute(&mut conn).await? > 0)
}

/// Stores a verified address. The error is that of the driver, so that a taken address can be reported.
pub(super) async fn set_email(mut conn: &AsyncPgConnection, id: Uuid, email: &str) -> QueryResult<()> {
    let change = (users::email.eq(email), users::email_verified.eq(true));
    PreparedQuery(diesel::update(users::table.find(id)).set(change)).execute(&mut conn).await.map(drop)
}

/// Marks the account as deleted and ends all its codes. Lock the account first.
pub(super) async fn delete(conn: &AsyncPgConnection, id: Uuid) -> Result<()> {
    let update = diesel::update(users::table.find(id)).set(users::status.eq(UserStatus::Deleted));
    let mut on = conn;
    let mark = async { Ok(PreparedQuery(update).execute(&mut on).await?) };
    try_join!(mark, revoke_codes(conn)).map(drop)
}

async fn revoke_codes(mut conn: &AsyncPgConnection) -> Result<()> {
    PreparedQuery(sql_query("SELECT identity.revoke_own_codes()")).execute(&mut conn).await?;
    Ok(())
}
