//! SQL on the account of the calling user.

use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
use shared::error::Result;
use shared::schema::UserStatus;
use shared::schema::identity::users;
use uuid::Uuid;

/// What tells an account from others.
#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(super) struct Names {
    pub(super) id: Uuid,
    pub(super) email: String,
    pub(super) username: String,
}

pub(super) async fn find_names(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Names>> {
    Ok(users::table.find(id).select(Names::as_select()).get_result(&mut conn).await.optional()?)
}

/// Sets the password, and ends every code of the calling user.
pub(super) async fn set_password_hash(mut conn: &AsyncPgConnection, id: Uuid, hash: &str) -> Result<()> {
    let update = diesel::update(users::table.find(id)).set(users::password_hash.eq(hash));
    update.execute(&mut conn).await?;
    end_codes(conn).await
}

/// Marks an address as proven if it still is the account's.
pub(super) async fn verify(mut conn: &AsyncPgConnection, id: Uuid, email: &str) -> Result<bool> {
    let own = users::table.find(id).filter(users::email.eq(email));
    Ok(diesel::update(own).set(users::email_verified.eq(true)).execute(&mut conn).await? > 0)
}

/// Makes a proven address the account's. The error is the driver's, so that a taken address can be named.
pub(super) async fn set_email(mut conn: &AsyncPgConnection, id: Uuid, email: &str) -> QueryResult<()> {
    let change = (users::email.eq(email), users::email_verified.eq(true));
    diesel::update(users::table.find(id)).set(change).execute(&mut conn).await.map(drop)
}

/// Marks the account as deleted, and ends every code of it.
pub(super) async fn delete(mut conn: &AsyncPgConnection, id: Uuid) -> Result<()> {
    let update = diesel::update(users::table.find(id)).set(users::status.eq(UserStatus::Deleted));
    update.execute(&mut conn).await?;
    end_codes(conn).await
}

async fn end_codes(mut conn: &AsyncPgConnection) -> Result<()> {
    Prepared(sql_query("SELECT identity.end_own_codes()")).execute(&mut conn).await?;
    Ok(())
}
