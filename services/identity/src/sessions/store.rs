//! The valid sessions: PostgreSQL is the source of truth, Redis has a copy that all services read.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::authentication::{Scopes, SessionSource, SessionUse, TokenHash};
use shared::caller::Session as CachedSession;
use shared::clock::Clock;
use shared::database::Database;
use shared::error::Result;
use shared::redis_store::RedisStore;
use shared::service::ServiceContext;
use shared::service_identity::PrivateKey;
use uuid::Uuid;

use super::{SessionOptions, queries};

/// How long a copy in Redis is valid: one that somebody has kept from before a revocation works no longer than that.
pub(super) const COPY_LIFETIME: TimeDelta = TimeDelta::minutes(5);

#[derive(Clone)]
pub struct SessionStore {
    database: Database,
    worker: Database,
    redis: RedisStore,
    /// Signs the copies.
    key: PrivateKey,
    clock: Clock,
    pub options: SessionOptions,
}

#[derive(QueryableByName)]
struct FoundSession {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    scopes: Option<Vec<String>>,
}

impl SessionStore {
    pub fn new(context: &ServiceContext, options: SessionOptions) -> Self {
        Self {
            database: context.database.clone(),
            worker: context.worker.clone(),
            redis: context.redis.clone(),
            key: context.options.principals.service_key.clone(),
            clock: context.clock.clone(),
            options,
        }
    }

    /// Copies a session to Redis in the background. If that fails, the other services ask this service instead.
    pub fn publish(&self, hash: TokenHash, session: CachedSession) {
        let (redis, key) = (self.redis.clone(), self.key.clone());
        let valid_until = session.expires_at.min(self.clock.now() + COPY_LIFETIME);
        tokio::spawn(async move {
            if let Err(error) = redis.put_session(&key, &hash, &session, valid_until).await {
                tracing::debug!(%error, "a session could not be copied to Redis");
            }
        });
    }
}

#[async_trait]
impl SessionSource for SessionStore {
    async fn resolve(&self, hash: &TokenHash) -> Result<Option<CachedSession>> {
        let tx = self.database.begin_as(Uuid::nil()).await?;
        let found = find(&tx, hash, self.clock.now()).await?;
        tx.finish();
        if let Some(session) = &found {
            self.publish(*hash, session.clone());
        }
        Ok(found)
    }

    async fn report_seen(&self, seen: &[SessionUse]) -> Result<()> {
        let tx = self.worker.begin_background().await?;
        queries::update_last_seen(&tx, seen, self.clock.now()).await?;
        tx.commit().await
    }
}

/// The valid session or API token with this hash. Knowing the token is the authorization.
async fn find(
    mut conn: &AsyncPgConnection,
    hash: &TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<CachedSession>> {
    let found: Option<FoundSession> =
        sql_query("SELECT id, user_id, expires_at, scopes FROM identity.find_bearer_token($1, $2)")
            .bind::<Text, _>(hash.to_hex())
            .bind::<Timestamptz, _>(now)
            .get_result(&mut conn)
            .await
            .optional()?;
    Ok(found.map(|FoundSession { id, user_id, expires_at, scopes }| CachedSession {
        session_id: id,
        user_id,
        expires_at,
        scopes: scopes.map(Scopes),
    }))
}
