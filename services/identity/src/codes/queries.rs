//! SQL on `account_codes`, through functions that answer for one code each: no role that serves requests reads it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid, Varchar};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::authentication::TokenHash;
use shared::database::Prepared;
use shared::error::Result;
use uuid::Uuid;

use super::{Purpose, Wish};

/// Whose account a code is for.
#[derive(QueryableByName)]
pub struct Addressee {
    /// The user.
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    /// Their present address.
    #[diesel(sql_type = Varchar)]
    pub email: String,
    /// Whether the address that the code is to make theirs is somebody's already; then nobody gets to know the code.
    #[diesel(sql_type = Bool)]
    pub is_taken: bool,
}

/// A code that was used up.
#[derive(QueryableByName)]
pub struct Used {
    /// Whose.
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    /// The address that it proves.
    #[diesel(sql_type = Varchar)]
    pub email: String,
    /// Whether the same request has used it before: then all is done.
    #[diesel(sql_type = Bool)]
    pub is_replay: bool,
    /// The account's present address.
    #[diesel(sql_type = Varchar)]
    pub former_email: String,
}

/// From when to when a code works.
pub(super) struct Lifetime {
    pub(super) now: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

/// Stores a code and queues its letter, if it has one.
pub(super) async fn issue(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    hash: TokenHash,
    wish: &Wish,
    letter: Option<&str>,
    lifetime: Lifetime,
) -> Result<Option<Addressee>> {
    let query =
        sql_query("SELECT user_id, email, is_taken FROM identity.issue_code($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind::<SqlUuid, _>(id)
            .bind::<Text, _>(wish.purpose.name())
            .bind::<Text, _>(hash.to_hex())
            .bind::<Nullable<SqlUuid>, _>(wish.user_id)
            .bind::<Nullable<Text>, _>(wish.email.as_deref())
            .bind::<Nullable<Text>, _>(letter)
            .bind::<Timestamptz, _>(lifetime.now)
            .bind::<Timestamptz, _>(lifetime.expires_at);
    Ok(Prepared(query).get_result(&mut conn).await.optional()?)
}

/// Uses a code up, whoever asks: knowing it is the proof.
pub(super) async fn redeem(
    mut conn: &AsyncPgConnection,
    purpose: Purpose,
    hash: TokenHash,
    request_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Used>> {
    let query =
        sql_query("SELECT user_id, email, is_replay, former_email FROM identity.redeem_code($1, $2, $3, $4)")
            .bind::<Text, _>(purpose.name())
            .bind::<Text, _>(hash.to_hex())
            .bind::<SqlUuid, _>(request_id)
            .bind::<Timestamptz, _>(now);
    Ok(Prepared(query).get_result(&mut conn).await.optional()?)
}

/// The address of an account to come.
#[derive(QueryableByName)]
pub struct ProvenAddress {
    /// The code's id, which becomes the account's.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// The address; empty in a replay.
    #[diesel(sql_type = Varchar)]
    pub email: String,
    /// Whether the same request has used the code before: then the account is there.
    #[diesel(sql_type = Bool)]
    pub is_replay: bool,
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    owner: Option<Uuid>,
}

/// Stores a code to sign up and queues its letter, if it has one; answers with the account that has the address.
pub(super) async fn issue_to_sign_up(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    hash: TokenHash,
    email: &str,
    letter: Option<&str>,
    lifetime: Lifetime,
) -> Result<Option<Uuid>> {
    let query = sql_query("SELECT identity.issue_sign_up_code($1, $2, $3, $4, $5, $6) AS owner")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(hash.to_hex())
        .bind::<Text, _>(email)
        .bind::<Nullable<Text>, _>(letter)
        .bind::<Timestamptz, _>(lifetime.now)
        .bind::<Timestamptz, _>(lifetime.expires_at);
    Ok(Prepared(query).get_result::<Owner>(&mut conn).await?.owner)
}

/// Uses a code to sign up, whoever asks: knowing it is the proof.
pub(super) async fn redeem_to_sign_up(
    mut conn: &AsyncPgConnection,
    hash: TokenHash,
    request_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<ProvenAddress>> {
    let query = sql_query("SELECT id, email, is_replay FROM identity.redeem_sign_up_code($1, $2, $3)")
        .bind::<Text, _>(hash.to_hex())
        .bind::<SqlUuid, _>(request_id)
        .bind::<Timestamptz, _>(now);
    Ok(Prepared(query).get_result(&mut conn).await.optional()?)
}
