//! SQL on the account of the calling user.

use crate::schema::UserStatus;
use crate::schema::users;
use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use shared::database::Prepared;
use shared::error::Result;
use uuid::Uuid;

/// Sets the password, and ends every code of the calling user, whose account is locked already.
pub(super) async fn set_password_hash(conn: &AsyncPgConnection, id: Uuid, hash: &str) -> Result<()> {
    let update = diesel::update(users::table.find(id)).set(users::password_hash.eq(hash));
    let mut on = conn;
    let set = async { Ok(Prepared(update).execute(&mut on).await?) };
    try_join!(set, end_codes(conn)).map(drop)
}

/// Marks an address as proven if it still is the account's.
pub(super) async fn verify(mut conn: &AsyncPgConnection, id: Uuid, email: &str) -> Result<bool> {
    let own = users::table.find(id).filter(users::email.eq(email));
    let update = diesel::update(own).set(users::email_verified.eq(true));
    Ok(Prepared(update).execute(&mut conn).await? > 0)
}

/// Makes a proven address the account's. The error is the driver's, so that a taken address can be named.
pub(super) async fn set_email(mut conn: &AsyncPgConnection, id: Uuid, email: &str) -> QueryResult<()> {
    let change = (users::email.eq(email), users::email_verified.eq(true));
    Prepared(diesel::update(users::table.find(id)).set(change)).execute(&mut conn).await.map(drop)
}

/// Marks the account, which is locked already, as deleted, and ends every code of it.
pub(super) async fn delete(conn: &AsyncPgConnection, id: Uuid) -> Result<()> {
    let update = diesel::update(users::table.find(id)).set(users::status.eq(UserStatus::Deleted));
    let mut on = conn;
    let mark = async { Ok(Prepared(update).execute(&mut on).await?) };
    try_join!(mark, end_codes(conn)).map(drop)
}

async fn end_codes(mut conn: &AsyncPgConnection) -> Result<()> {
    Prepared(sql_query("SELECT identity.revoke_own_codes()")).execute(&mut conn).await?;
    Ok(())
}
