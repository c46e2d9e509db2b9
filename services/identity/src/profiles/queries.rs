//! SQL on `user_profiles`. Policies show users only their own.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Transaction;
use shared::error::Result;
use uuid::Uuid;

use super::{Profile, ProfileChange};
use crate::schema::user_profiles;

pub async fn find(mut conn: &AsyncPgConnection, user_id: Uuid) -> Result<Option<Profile>> {
    let select = user_profiles::table.filter(user_profiles::user_id.eq(user_id)).select(Profile::as_select());
    Ok(select.get_result(&mut conn).await.optional()?)
}

/// Locks the profile until the transaction ends.
pub async fn lock(mut conn: &AsyncPgConnection, user_id: Uuid) -> Result<Option<Profile>> {
    let select = user_profiles::table.filter(user_profiles::user_id.eq(user_id)).select(Profile::as_select());
    Ok(select.for_no_key_update().get_result(&mut conn).await.optional()?)
}

/// Updates a profile and commits.
pub async fn update(tx: Transaction, user_id: Uuid, change: ProfileChange) -> Result<Option<Profile>> {
    let update = diesel::update(user_profiles::table.filter(user_profiles::user_id.eq(user_id)))
        .set(change)
        .returning(Profile::as_returning());
    Ok(tx.commit_with(update).await?.into_iter().next())
}
