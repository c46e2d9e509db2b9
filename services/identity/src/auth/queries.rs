//! SQL of accounts and sessions that begin. Each statement returns the account and its session, so that it is one round
//! trip with its commit.

use crate::schema::{SqlUserStatus, UserStatus};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel::sql_types::{Array, Bool, Inet, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid, Varchar};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnetwork::IpNetwork;
use shared::authentication::TokenHash;
use shared::database::{PreparedQuery, Transaction};
use shared::error::Result;
use uuid::Uuid;

use super::{AccountDraft, EncryptedNames, INVALID_CREDENTIALS};
use crate::sessions::queries::FoundRefreshToken;
use crate::sessions::{Device, SESSION_INVALID, Session, SessionExpiry, Tokens};
use crate::users::User;

const ACCOUNT: &str = "id, email, username, first_name, last_name, avatar_url, email_verified, status, created_at, \
    updated_at, last_login_at, metadata, xmin";
const SESSION: &str = "id, ip_address, user_agent, created_at, expires_at, refresh_expires_at, last_seen_at";
/// The columns of an [`AccountSessionRow`], from the subqueries `account` and `session`.
const ACCOUNT_SESSION: &str = "account.*, session.id AS session_id, session.ip_address, session.user_agent, \
    session.created_at AS signed_in_at, session.expires_at, session.refresh_expires_at, session.last_seen_at";

#[derive(QueryableByName)]
pub(super) struct Credentials {
    #[diesel(sql_type = SqlUuid)]
    pub(super) id: Uuid,
    #[diesel(sql_type = Varchar)]
    pub(super) password_hash: String,
    #[diesel(sql_type = SqlUserStatus)]
    pub(super) status: UserStatus,
    #[diesel(sql_type = Integer)]
    pub(super) password_generation: i32,
}

/// An account that is locked until the end of the transaction.
#[derive(QueryableByName)]
pub struct LockedAccount {
    #[diesel(sql_type = Bool)]
    pub has_second_factor: bool,
}

/// An account with a session that has just begun or been refreshed.
pub(super) struct AccountSession {
    pub(super) user: User,
    pub(super) session: Session,
    /// Hashes of the session tokens that no longer work.
    pub(super) ended: Vec<TokenHash>,
}

#[derive(QueryableByName)]
struct AccountSessionRow {
    #[diesel(embed)]
    user: User,
    #[diesel(sql_type = SqlUuid)]
    session_id: Uuid,
    #[diesel(sql_type = Nullable<Inet>)]
    ip_address: Option<IpNetwork>,
    #[diesel(sql_type = Nullable<Text>)]
    user_agent: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    signed_in_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    refresh_expires_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_seen_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Array<Text>)]
    ended: Vec<String>,
}

impl From<AccountSessionRow> for AccountSession {
    fn from(row: AccountSessionRow) -> Self {
        Self {
            session: Session {
                id: row.session_id,
                user_id: row.user.id,
                ip_address: row.ip_address,
                user_agent: row.user_agent,
                is_active: true,
                created_at: row.signed_in_at,
                expires_at: row.expires_at,
                refresh_expires_at: row.refresh_expires_at,
                last_seen_at: row.last_seen_at,
            },
            user: row.user,
            ended: row.ended.iter().filter_map(|hash| TokenHash::from_hex(hash)).collect(),
        }
    }
}

/// The account with this email address or username.
pub(super) async fn find_credentials(
    mut conn: &AsyncPgConnection,
    login: &str,
) -> Result<Option<Credentials>> {
    let query =
        sql_query("SELECT id, password_hash, status, password_generation FROM identity.find_credentials($1)");
    Ok(PreparedQuery(query.bind::<Text, _>(login)).get_result(&mut conn).await.optional()?)
}

/// The current user's account.
pub(super) async fn find_own_credentials(mut conn: &AsyncPgConnection) -> Result<Option<Credentials>> {
    let query = sql_query(
        "SELECT id, password_hash, status, password_generation FROM identity.find_own_credentials()",
    );
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

/// Locks an account that still has this password until the transaction ends; `None` if the password has changed.
pub(super) async fn lock_password_generation(
    mut conn: &AsyncPgConnection,
    user_id: Uuid,
    generation: i32,
) -> Result<Option<LockedAccount>> {
    let query = sql_query("SELECT has_second_factor FROM identity.lock_password_generation($1, $2)")
        .bind::<SqlUuid, _>(user_id)
        .bind::<Integer, _>(generation);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

/// A subquery `session` that inserts a session of `account`. Parameters from `$1` to `$8`: its id, the hashes of its
/// tokens, address and user agent, when it begins and when its tokens expire.
fn insert_session_subquery() -> String {
    format!(
        "session AS (INSERT INTO identity.user_sessions (id, user_id, session_token, refresh_token, ip_address, \
         user_agent, created_at, expires_at, refresh_expires_at) SELECT $1, id, $2, $3, $4, $5, $6, $7, $8 \
         FROM account RETURNING {SESSION})"
    )
}

/// Binds the parameters of [`insert_session_subquery`].
macro_rules! bind_session {
    ($query:expr, $tokens:expr, $device:expr, $expiry:expr) => {
        sql_query($query)
            .bind::<SqlUuid, _>(Uuid::now_v7())
            .bind::<Text, _>($tokens.session_hash().to_hex())
            .bind::<Text, _>($tokens.refresh_hash().to_hex())
            .bind::<Nullable<Inet>, _>($device.network())
            .bind::<Nullable<Text>, _>($device.user_agent.as_deref())
            .bind::<Timestamptz, _>($expiry.now)
            .bind::<Timestamptz, _>($expiry.expires_at)
            .bind::<Timestamptz, _>($expiry.refresh_expires_at)
    };
}

pub(super) struct NewSession<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) device: &'a Device,
    pub(super) expiry: SessionExpiry,
}

/// Inserts an account with its profile and its first session, and commits.
pub(super) async fn insert_account(
    tx: Transaction,
    draft: &AccountDraft<'_>,
    names: &EncryptedNames,
    NewSession { tokens, device, expiry }: NewSession<'_>,
) -> QueryResult<Option<AccountSession>> {
    let statement = format!(
        "WITH account AS (INSERT INTO identity.users (id, email, username, password_hash, first_name, last_name, \
         email_verified, created_at, updated_at, last_login_at) \
         VALUES ($9, $10, $11, $12, $13, $14, $15, $6, $6, $6) RETURNING {ACCOUNT}), \
         profile AS (INSERT INTO identity.user_profiles (id, user_id) SELECT $16, id FROM account), {} \
         SELECT {ACCOUNT_SESSION}, '{{}}'::text[] AS ended FROM account, session",
        insert_session_subquery()
    );
    let query = bind_session!(statement, tokens, device, expiry)
        .bind::<SqlUuid, _>(draft.user_id)
        .bind::<Text, _>(draft.email)
        .bind::<Text, _>(&draft.account.username)
        .bind::<Text, _>(draft.password_hash)
        .bind::<Nullable<Text>, _>(names.first_name.as_ref())
        .bind::<Nullable<Text>, _>(names.last_name.as_ref())
        .bind::<Bool, _>(draft.email_verified)
        .bind::<SqlUuid, _>(Uuid::now_v7());
    Ok(first(tx.commit_with(PreparedQuery(query)).await?))
}

/// Inserts a session of an active account, ends the oldest beyond `max_others`, and commits.
pub(super) async fn insert_session(
    tx: Transaction,
    user_id: Uuid,
    NewSession { tokens, device, expiry }: NewSession<'_>,
    max_others: i32,
) -> Result<AccountSession> {
    let statement = format!(
        "WITH account AS (UPDATE identity.users SET last_login_at = $6 WHERE id = $9 AND status = 'active' \
         RETURNING {ACCOUNT}), {} \
         SELECT {ACCOUNT_SESSION}, identity.end_oldest_sessions(account.id, session.id, $10, $6) AS ended \
         FROM account, session",
        insert_session_subquery()
    );
    let query = bind_session!(statement, tokens, device, expiry)
        .bind::<SqlUuid, _>(user_id)
        .bind::<Integer, _>(max_others);
    first(tx.commit_with(PreparedQuery(query)).await?).ok_or(INVALID_CREDENTIALS)
}

/// Replaces the hash of the current user's password by one with the current parameters, unless the password has changed.
pub(super) async fn replace_password_hash(
    mut conn: &AsyncPgConnection,
    compared: &str,
    hash: &str,
) -> Result<()> {
    let query = sql_query("SELECT identity.replace_own_password_hash($1, $2)")
        .bind::<Text, _>(compared)
        .bind::<Text, _>(hash);
    PreparedQuery(query).execute(&mut conn).await?;
    Ok(())
}

/// Rotates the tokens of a session, which `find_refresh_token` has locked, and commits.
pub(super) async fn rotate_tokens(
    tx: Transaction,
    found: &FoundRefreshToken,
    old_refresh: TokenHash,
    tokens: &Tokens,
    expiry: SessionExpiry,
) -> Result<AccountSession> {
    let query = sql_query(format!(
        "WITH former AS (SELECT session_token FROM identity.user_sessions WHERE id = $1), \
         rotation AS (INSERT INTO identity.user_session_rotations (refresh_token, session_id, rotated_at) \
         VALUES ($5, $1, $6)), \
         session AS (UPDATE identity.user_sessions SET session_token = $3, refresh_token = $4, \
         expires_at = $7, refresh_expires_at = $8 WHERE id = $1 RETURNING {SESSION}), \
         account AS (SELECT {ACCOUNT} FROM identity.users WHERE id = $2) \
         SELECT {ACCOUNT_SESSION}, ARRAY[former.session_token]::text[] AS ended FROM account, session, former"
    ))
    .bind::<SqlUuid, _>(found.id)
    .bind::<SqlUuid, _>(found.user_id)
    .bind::<Text, _>(tokens.session_hash().to_hex())
    .bind::<Text, _>(tokens.refresh_hash().to_hex())
    .bind::<Text, _>(old_refresh.to_hex())
    .bind::<Timestamptz, _>(expiry.now)
    .bind::<Timestamptz, _>(expiry.expires_at)
    .bind::<Timestamptz, _>(expiry.refresh_expires_at);
    first(tx.commit_with(PreparedQuery(query)).await?).ok_or(SESSION_INVALID)
}

/// The account and its session, if the session still has these tokens.
pub(super) async fn find_current(
    mut conn: &AsyncPgConnection,
    found: &FoundRefreshToken,
    tokens: &Tokens,
) -> Result<Option<AccountSession>> {
    let query = sql_query(format!(
        "WITH session AS (SELECT {SESSION} FROM identity.user_sessions WHERE id = $1 AND session_token = $3), \
         account AS (SELECT {ACCOUNT} FROM identity.users WHERE id = $2) \
         SELECT {ACCOUNT_SESSION}, '{{}}'::text[] AS ended FROM account, session"
    ))
    .bind::<SqlUuid, _>(found.id)
    .bind::<SqlUuid, _>(found.user_id)
    .bind::<Text, _>(tokens.session_hash().to_hex());
    Ok(first(PreparedQuery(query).load(&mut conn).await?))
}

fn first(rows: Vec<AccountSessionRow>) -> Option<AccountSession> {
    rows.into_iter().next().map(AccountSession::from)
}
