//! SQL on `account_codes`, through functions that handle one code each: no role that serves requests reads the table.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid, Varchar};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::authentication::TokenHash;
use shared::database::PreparedQuery;
use shared::error::Result;
use uuid::Uuid;

use super::{CodeInput, Purpose, SignUpCodeInput};

/// The account of an issued code.
#[derive(QueryableByName)]
pub struct Addressee {
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = Varchar)]
    pub email: String,
    /// The new address belongs to an account already: nobody learns the code.
    #[diesel(sql_type = Bool)]
    pub is_taken: bool,
}

#[derive(QueryableByName)]
pub struct RedeemedCode {
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    /// The address that it proves.
    #[diesel(sql_type = Varchar)]
    pub email: String,
    /// The same request has used it before: nothing is left to do.
    #[diesel(sql_type = Bool)]
    pub is_replay: bool,
    /// The present address of the account.
    #[diesel(sql_type = Varchar)]
    pub former_email: String,
}

pub(super) struct Lifetime {
    pub(super) now: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

/// Stores a code and queues its email if it is mailed.
pub(super) async fn issue(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    hash: TokenHash,
    input: &CodeInput,
    lifetime: Lifetime,
) -> Result<Option<Addressee>> {
    let query =
        sql_query("SELECT user_id, email, is_taken FROM identity.issue_code($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind::<SqlUuid, _>(id)
            .bind::<Text, _>(input.purpose.name())
            .bind::<Text, _>(hash.to_hex())
            .bind::<Nullable<SqlUuid>, _>(input.user_id)
            .bind::<Nullable<Text>, _>(input.email.as_deref())
            .bind::<Nullable<Text>, _>(email_kind(input.purpose, input.is_mailed))
            .bind::<Timestamptz, _>(lifetime.now)
            .bind::<Timestamptz, _>(lifetime.expires_at);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

/// Uses a code up. Knowing the code is the authorization.
pub(super) async fn redeem(
    mut conn: &AsyncPgConnection,
    purpose: Purpose,
    hash: TokenHash,
    request_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<RedeemedCode>> {
    let query =
        sql_query("SELECT user_id, email, is_replay, former_email FROM identity.redeem_code($1, $2, $3, $4)")
            .bind::<Text, _>(purpose.name())
            .bind::<Text, _>(hash.to_hex())
            .bind::<SqlUuid, _>(request_id)
            .bind::<Timestamptz, _>(now);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

#[derive(QueryableByName)]
pub struct RedeemedSignUpCode {
    /// The id of the code, which becomes the id of the account.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Empty in a replay.
    #[diesel(sql_type = Varchar)]
    pub email: String,
    /// The same request has used the code before: the account exists.
    #[diesel(sql_type = Bool)]
    pub is_replay: bool,
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    owner: Option<Uuid>,
}

/// Stores a sign-up code and queues its email if it is mailed. Returns the account that has the address already.
pub(super) async fn issue_sign_up_code(
    mut conn: &AsyncPgConnection,
    id: Uuid,
    hash: TokenHash,
    input: &SignUpCodeInput,
    lifetime: Lifetime,
) -> Result<Option<Uuid>> {
    let query = sql_query("SELECT identity.issue_sign_up_code($1, $2, $3, $4, $5, $6) AS owner")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(hash.to_hex())
        .bind::<Text, _>(&input.email)
        .bind::<Nullable<Text>, _>(email_kind(Purpose::SignUp, input.is_mailed))
        .bind::<Timestamptz, _>(lifetime.now)
        .bind::<Timestamptz, _>(lifetime.expires_at);
    Ok(PreparedQuery(query).get_result::<Owner>(&mut conn).await?.owner)
}

/// Uses a sign-up code up. Knowing the code is the authorization.
pub(super) async fn redeem_sign_up_code(
    mut conn: &AsyncPgConnection,
    hash: TokenHash,
    request_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<RedeemedSignUpCode>> {
    let query = sql_query("SELECT id, email, is_replay FROM identity.redeem_sign_up_code($1, $2, $3)")
        .bind::<Text, _>(hash.to_hex())
        .bind::<SqlUuid, _>(request_id)
        .bind::<Timestamptz, _>(now);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

/// The kind of the email with a code; `None` if the code is not mailed.
fn email_kind(purpose: Purpose, is_mailed: bool) -> Option<&'static str> {
    is_mailed.then(|| purpose.name())
}
