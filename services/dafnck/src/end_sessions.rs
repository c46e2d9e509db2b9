//! `dafnck end-sessions`: nobody is signed in any more, and no code works.
//!
//! Needed after a database was restored as it was: what was ended after that moment would work again, and Redis may hold
//! sessions that the database has never seen. Each account concerned gets a security event.
//!
//! Deliberately not here: passwords, second factors, memberships and invitations are as they were.

use std::fmt;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use diesel::sql_types::{Array, BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde::Serialize;
use shared::authentication::TokenHash;
use shared::config::DEFAULT_REDIS_KEY_PREFIX;
use shared::redis_store::RedisStore;

use crate::administration::{AdminOptions, RedisOptions};
use crate::output::{self, Confirmation, DryRun};

/// What `--help` says about the whole.
pub const HELP: &str = "\
For a database that was restored by other means than `dafnck restore`, and whenever
nobody is to be trusted any more. Best before the services start; they may run, and
forget what they knew within seconds. Safe to run twice.";

/// Where the sessions are.
#[derive(Args, Clone, Debug)]
pub struct EndSessionsOptions {
    /// The databases.
    #[command(flatten)]
    admin: AdminOptions,
    /// Redis.
    #[command(flatten)]
    redis: RedisOptions,
    /// What the names of the suite's Redis keys begin with
    #[arg(long, env = "DAFNCK_REDIS_KEY_PREFIX", default_value = DEFAULT_REDIS_KEY_PREFIX)]
    redis_key_prefix: String,
    /// PEM file with the authorities that Redis is checked against. Default: the machine's
    #[arg(long, env = "DAFNCK_REDIS_TLS_CA")]
    redis_tls_ca: Option<PathBuf>,
    /// Count what would end.
    #[command(flatten)]
    dry_run: DryRun,
    /// Everybody is signed out.
    #[command(flatten)]
    confirmation: Confirmation,
}

/// How much has ended.
#[derive(Debug, Default, QueryableByName, Serialize)]
pub struct EndedCredentials {
    #[diesel(sql_type = BigInt)]
    sessions: i64,
    #[diesel(sql_type = BigInt)]
    api_tokens: i64,
    #[diesel(sql_type = BigInt)]
    codes: i64,
    /// Hashes of the tokens that somebody may still hold for working.
    #[diesel(sql_type = Array<Text>)]
    #[serde(skip)]
    hashes: Vec<String>,
}

#[derive(Serialize)]
struct EndReport {
    #[serde(flatten)]
    ended: EndedCredentials,
    dry_run: bool,
    /// Sessions and tokens that no longer count in Redis.
    ended_in_redis: usize,
}

impl fmt::Display for EndReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ended, dry_run, ended_in_redis } = self;
        if *dry_run {
            return writeln!(out, "would end {ended}");
        }
        writeln!(out, "ended {ended}")?;
        writeln!(out, "{ended_in_redis} sessions and tokens no longer count in Redis")
    }
}

impl fmt::Display for EndedCredentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, api_tokens, codes, .. } = self;
        write!(out, "{sessions} sessions, {api_tokens} API tokens and {codes} codes")
    }
}

/// Ends everything and prints how much it was.
///
/// # Errors
/// When the database or Redis does not answer. What has ended stays so.
pub async fn command(options: &EndSessionsOptions) -> anyhow::Result<()> {
    let url = options.admin.url_of(identity::NAME)?;
    let (redis_url, authorities) = options.redis.find(&options.admin, options.redis_tls_ca.as_deref())?;
    let redis = RedisStore::with_ca(authorities.as_deref(), &redis_url, &options.redis_key_prefix)?;
    let mut conn = shared::database::connect(&url).await?;
    if options.dry_run.dry_run {
        let ended = count_in_database(&mut conn).await?;
        return output::report(&EndReport { ended, dry_run: true, ended_in_redis: 0 });
    }
    options.confirmation.require("this signs everybody out").await?;
    let ended = in_database(&mut conn).await?;
    let hashes: Vec<TokenHash> = ended.hashes.iter().filter_map(|hash| TokenHash::from_hex(hash)).collect();
    let ended_in_redis = redis.revoke_all(hashes).await.with_context(|| format!(
        "ended {ended} in the database, but Redis still holds copies of sessions, which work until their end: run this again, or empty Redis, which holds \
         nothing that is nowhere else"
    ))?;
    output::report(&EndReport { ended, dry_run: false, ended_in_redis })
}

/// Ends everything that the database has. Accounts are locked first, as by whoever changes what belongs to them.
///
/// # Errors
/// When the database does not answer, or the role may not do this.
pub async fn in_database(conn: &mut AsyncPgConnection) -> anyhow::Result<EndedCredentials> {
    conn.transaction(async |conn| end_all(conn).await).await
}

/// How much [`in_database`] would end: it is ended, and that taken back.
async fn count_in_database(conn: &mut AsyncPgConnection) -> anyhow::Result<EndedCredentials> {
    conn.batch_execute("BEGIN").await?;
    let ended = end_all(conn).await;
    conn.batch_execute("ROLLBACK").await?;
    ended
}

async fn end_all(conn: &mut AsyncPgConnection) -> anyhow::Result<EndedCredentials> {
    conn.batch_execute(
        "SET LOCAL ROLE dafnck_owner; \
         DO $$ BEGIN PERFORM FROM identity.users ORDER BY id FOR NO KEY UPDATE; END $$",
    )
    .await?;
    Ok(sql_query(END_ALL).get_result(conn).await?)
}

/// Ends all sessions, tokens, codes and challenges, and deletes queued emails, whose codes no longer work.
const END_ALL: &str = "\
    WITH sessions AS ( \
        UPDATE identity.user_sessions SET is_active = FALSE WHERE is_active RETURNING user_id, session_token \
    ), tokens AS ( \
        UPDATE identity.api_tokens SET revoked_at = now() WHERE revoked_at IS NULL RETURNING user_id, token_hash \
    ), codes AS ( \
        UPDATE identity.account_codes SET used_by_request_id = '00000000-0000-0000-0000-000000000000' WHERE used_by_request_id IS NULL \
        RETURNING id, user_id \
    ), challenges AS ( \
        DELETE FROM identity.second_factor_challenges \
    ), emails AS ( \
        DELETE FROM identity.mail_outbox WHERE id IN (SELECT id FROM codes) \
    ), accounts AS ( \
        SELECT user_id, sum(session) AS sessions, sum(token) AS api_tokens, sum(code) AS codes FROM ( \
            SELECT user_id, 1 AS session, 0 AS token, 0 AS code FROM sessions \
            UNION ALL SELECT user_id, 0, 1, 0 FROM tokens \
            UNION ALL SELECT user_id, 0, 0, 1 FROM codes) AS ended \
        WHERE user_id IS NOT NULL GROUP BY user_id \
    ), told AS ( \
        SELECT identity.append_security_events(jsonb_agg(jsonb_build_object( \
            'id', gen_random_uuid(), 'kind', 'all_sessions_revoked', 'user_id', user_id, 'principal', 'operator', \
            'count', 1, 'details', jsonb_build_object('act', 'end-sessions', 'sessions', sessions::text, \
                'api_tokens', api_tokens::text, 'codes', codes::text)))) \
        FROM accounts HAVING count(*) > 0 \
    ) \
    SELECT (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM tokens) AS api_tokens, \
        (SELECT count(*) FROM codes) AS codes, \
        ARRAY(SELECT session_token::text FROM sessions UNION ALL SELECT token_hash::text FROM tokens) AS hashes, \
        (SELECT count(*) FROM told) AS told";
