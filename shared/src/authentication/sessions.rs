//! Where sessions are looked up: this process's cache, then Redis, then the source of truth.
//!
//! A revoked session stops working as soon as its revocation arrives through Redis, and if that message is lost at most
//! [`CACHE_TTL`] after it was revoked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use tokio_util::sync::CancellationToken;

use super::TokenHash;
use super::metrics::CacheMetrics;
use super::open_streams::OpenStreams;
use super::redis_health::RedisHealth;
use super::session_use::{REPORT_BATCH, REPORT_INTERVAL, SeenSessions, SessionUse};
use super::token::SESSION_INVALID;
use crate::caller::Session;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::redis_store::{Notification, RedisStore};
use crate::service_identity::PrincipalKeys;

/// How long a session is cached.
pub const CACHE_TTL: Duration = Duration::from_secs(5);
/// How long an unknown token is remembered. Tokens are random, so an unknown one never becomes valid, but those of a
/// suspended user are unknown until the user is reactivated.
pub const UNKNOWN_TTL: Duration = Duration::from_secs(1);
/// Sessions that the cache holds at most, and unknown tokens beside them.
pub const CACHE_CAPACITY: u64 = 100_000;
/// How often a stream checks whether its token still works, in case a revocation was lost.
pub const STREAM_RECHECK_INTERVAL: Duration = Duration::from_secs(10);
/// How long a stream goes on while that cannot be checked.
const MAX_UNVERIFIED_STREAM_TIME: Duration = Duration::from_secs(60);
/// The source of truth for sessions, behind Redis: identity's database, or identity over gRPC.
#[async_trait::async_trait]
pub trait SessionSource: Send + Sync {
    /// The active session of a token; `None` if it is unknown, expired or revoked.
    ///
    /// # Errors
    /// When the source does not answer.
    async fn resolve(&self, hash: &TokenHash) -> Result<Option<Session>>;

    /// Stores when sessions were last used, at most [`REPORT_BATCH`] of them.
    ///
    /// # Errors
    /// When the source does not answer.
    async fn report_seen(&self, seen: &[SessionUse]) -> Result<()>;
}

/// Looks sessions up.
pub struct Sessions {
    cache: Cache<TokenHash, Session>,
    /// Recently revoked: a look-up that began before the revocation must not bring the session back.
    revoked: Cache<TokenHash, ()>,
    /// Tokens that the source did not know a moment ago.
    unknown: Cache<TokenHash, ()>,
    redis: RedisStore,
    /// Identity's signs what Redis holds.
    principal_keys: PrincipalKeys,
    redis_health: RedisHealth,
    source: Arc<dyn SessionSource>,
    clock: Clock,
    seen: SeenSessions,
    streams: OpenStreams,
    metrics: CacheMetrics,
}

/// Why a look-up found nothing.
enum LookupFailure {
    Unknown,
    SourceFailed(Arc<Error>),
}

impl Sessions {
    /// Follows revocations until `shutdown`.
    pub fn start(
        redis: RedisStore,
        principal_keys: PrincipalKeys,
        source: Arc<dyn SessionSource>,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let (metrics, evictions) = (CacheMetrics::new(), CacheMetrics::new());
        let sessions = Arc::new(Self {
            cache: Cache::builder()
                .eviction_listener(move |_, _, cause| evictions.record_eviction(cause))
                .max_capacity(CACHE_CAPACITY)
                .time_to_live(CACHE_TTL)
                .expire_after(SessionExpiry(clock.clone()))
                .build(),
            revoked: Cache::builder().max_capacity(CACHE_CAPACITY).time_to_live(2 * CACHE_TTL).build(),
            unknown: Cache::builder().max_capacity(CACHE_CAPACITY).time_to_live(UNKNOWN_TTL).build(),
            redis,
            principal_keys,
            redis_health: RedisHealth::default(),
            source,
            clock,
            seen: SeenSessions::default(),
            streams: OpenStreams::default(),
            metrics,
        });
        let follower = Arc::clone(&sessions);
        tokio::spawn(async move { shutdown.run_until_cancelled(follower.follow_revocations()).await });
        sessions
    }

    /// Whether [`resolve`](Self::resolve) answers without asking Redis or the source.
    pub fn is_cached(&self, hash: &TokenHash) -> bool {
        self.cache.contains_key(hash) || self.unknown.contains_key(hash)
    }

    /// The active session of a token; `None` if it is unknown, expired or revoked. Concurrent misses of
    /// the same token are one look-up.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Redis does not have it and the source does not answer.
    pub async fn resolve(&self, hash: TokenHash) -> Result<Option<Session>> {
        if self.unknown.contains_key(&hash) {
            return Ok(None);
        }
        let found = self.cache.entry(hash).or_try_insert_with(self.look_up(hash)).await;
        self.metrics.record_lookup(found.as_ref().is_ok_and(|entry| !entry.is_fresh()));
        match found {
            Ok(entry) => Ok(Some(entry.into_value())
                .filter(|session| self.is_active(&hash, session))
                .inspect(|session| self.seen.note(session.session_id, self.clock.now()))),
            Err(miss) => match miss.as_ref() {
                LookupFailure::Unknown => {
                    self.unknown.insert(hash, ()).await;
                    Ok(None)
                }
                LookupFailure::SourceFailed(error) => Err(Error::unavailable("identity", Arc::clone(error))),
            },
        }
    }

    fn is_active(&self, hash: &TokenHash, session: &Session) -> bool {
        session.expires_at > self.clock.now() && !self.revoked.contains_key(hash)
    }

    /// Removes a session from the cache of this process and ends its streams.
    pub async fn evict(&self, hash: &TokenHash) {
        self.revoked.insert(*hash, ()).await;
        self.cache.invalidate(hash).await;
        self.streams.end(hash);
    }

    /// Waits until a token that has opened a stream no longer works, and returns the reason: it was revoked or exchanged,
    /// it has expired, or it could not be verified for a minute.
    pub async fn until_ended(self: Arc<Self>, token: TokenHash) -> Error {
        let stream = self.streams.register(token);
        let mut verified = Instant::now();
        loop {
            // At first as well: it may have ended before this stream was registered.
            match self.resolve(token).await {
                Ok(Some(_)) => verified = Instant::now(),
                Ok(None) => return SESSION_INVALID,
                Err(error) if verified.elapsed() > MAX_UNVERIFIED_STREAM_TIME => return error,
                Err(_) => {}
            }
            if tokio::time::timeout(STREAM_RECHECK_INTERVAL, stream.ended()).await.is_ok() {
                return SESSION_INVALID;
            }
        }
    }

    /// Reports when sessions were last used, in intervals and a last time at shutdown.
    pub async fn report_seen_until(self: Arc<Self>, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(REPORT_INTERVAL);
        while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
            self.report_seen().await;
        }
        self.report_seen().await;
    }

    /// A use that cannot be reported is dropped: the next one will be.
    async fn report_seen(&self) {
        for batch in self.seen.take().chunks(REPORT_BATCH) {
            if let Err(error) = self.source.report_seen(batch).await {
                tracing::debug!(%error, sessions = batch.len(), "the last use of sessions could not be reported");
                return;
            }
        }
    }

    async fn look_up(&self, hash: TokenHash) -> Result<Session, LookupFailure> {
        if let Some(session) =
            self.look_up_in_redis(&hash).await.filter(|session| session.expires_at > self.clock.now())
        {
            return Ok(session);
        }
        match self.source.resolve(&hash).await {
            Ok(session) => session.ok_or(LookupFailure::Unknown),
            Err(error) => Err(LookupFailure::SourceFailed(Arc::new(error))),
        }
    }

    /// A failure of Redis is not a failure of the call: the source of truth is asked instead.
    async fn look_up_in_redis(&self, hash: &TokenHash) -> Option<Session> {
        let attempt = self.redis_health.begin(Instant::now())?;
        let found = self.redis.get_session(&self.principal_keys, hash, self.clock.now()).await;
        self.redis_health.record(attempt, found, Instant::now())
    }

    async fn follow_revocations(&self) {
        let mut notifications = self.redis.subscribe(vec![self.redis.revocations_channel()]);
        while let Some(notification) = notifications.recv().await {
            match notification {
                // Revocations may have been missed while there was no subscription.
                Notification::Connected => self.cache.invalidate_all(),
                Notification::Message { payload, .. } => match TokenHash::from_hex(&payload) {
                    Some(hash) => self.evict(&hash).await,
                    None => tracing::warn!("a revocation names no token hash"),
                },
            }
        }
    }
}

/// Expires a cache entry with its session.
struct SessionExpiry(Clock);

impl Expiry<TokenHash, Session> for SessionExpiry {
    fn expire_after_create(&self, _: &TokenHash, session: &Session, _: Instant) -> Option<Duration> {
        Some((session.expires_at - self.0.now()).to_std().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chrono::Utc;
    use uuid::Uuid;

    use super::*;
    use crate::authentication::token_hash;

    /// A source that knows one token, and counts how often it is asked.
    struct Source {
        known: TokenHash,
        life: Duration,
        asked: AtomicUsize,
        seen: Mutex<Vec<SessionUse>>,
    }

    #[async_trait::async_trait]
    impl SessionSource for Source {
        async fn resolve(&self, hash: &TokenHash) -> Result<Option<Session>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            let session = Session {
                session_id: Uuid::nil(),
                user_id: Uuid::nil(),
                expires_at: Utc::now() + self.life,
                scopes: None,
            };
            Ok((*hash == self.known).then_some(session))
        }

        async fn report_seen(&self, seen: &[SessionUse]) -> Result<()> {
            self.seen.lock().unwrap().extend_from_slice(seen);
            Ok(())
        }
    }

    /// Redis is down in all of these: nothing listens at port 1.
    fn start(life: Duration) -> (Arc<Sessions>, Arc<Source>) {
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        let source = Arc::new(Source {
            known: token_hash("known"),
            life,
            asked: AtomicUsize::new(0),
            seen: Mutex::default(),
        });
        let (keys, shutdown) = (PrincipalKeys::default(), CancellationToken::new());
        (Sessions::start(redis, keys, source.clone(), Clock::default(), shutdown), source)
    }

    #[tokio::test]
    async fn without_redis_the_source_is_asked_once_for_many_callers() {
        let (sessions, source) = start(Duration::from_secs(60));
        let calls = (0..50).map(|_| sessions.resolve(token_hash("known")));
        for found in futures::future::join_all(calls).await {
            assert!(found.unwrap().is_some());
        }
        assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_unknown_token_is_remembered_for_a_moment() {
        let (sessions, source) = start(Duration::from_secs(60));
        let unknown = token_hash("unknown");
        assert!(!sessions.is_cached(&unknown));
        for _ in 0..100 {
            assert_eq!(sessions.resolve(unknown).await.unwrap(), None);
        }
        assert!(sessions.is_cached(&unknown));
        assert_eq!(source.asked.load(Ordering::SeqCst), 1);
        tokio::time::sleep(UNKNOWN_TTL).await;
        assert_eq!(sessions.resolve(unknown).await.unwrap(), None);
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_revoked_session_is_gone_at_once_and_does_not_come_back() {
        let (sessions, _) = start(Duration::from_secs(60));
        assert!(sessions.resolve(token_hash("known")).await.unwrap().is_some());
        sessions.evict(&token_hash("known")).await;
        assert_eq!(sessions.resolve(token_hash("known")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_cache_does_not_outlive_the_session() {
        let (sessions, source) = start(Duration::from_millis(100));
        assert!(sessions.resolve(token_hash("known")).await.unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert!(sessions.resolve(token_hash("known")).await.unwrap().is_some());
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn the_end_of_a_session_is_told_by_the_clock() {
        let (sessions, _) = start(Duration::from_secs(60));
        assert!(sessions.resolve(token_hash("known")).await.unwrap().is_some());
        sessions.clock.advance(chrono::TimeDelta::seconds(61));
        assert_eq!(sessions.resolve(token_hash("known")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_last_use_is_reported_also_when_the_service_stops() {
        let (sessions, source) = start(Duration::from_secs(60));
        for token in ["known", "known", "unknown"] {
            sessions.resolve(token_hash(token)).await.unwrap();
        }
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        sessions.report_seen_until(shutdown).await;
        assert_eq!(source.seen.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_token_and_never_begins_under_one_that_has_ended() {
        let (sessions, _) = start(Duration::from_secs(60));
        let mut stream = std::pin::pin!(Arc::clone(&sessions).until_ended(token_hash("known")));
        let early = tokio::time::timeout(Duration::from_millis(200), &mut stream).await;
        assert!(early.is_err(), "the token works");
        sessions.evict(&token_hash("known")).await;
        assert_eq!(stream.await.code(), tonic::Code::Unauthenticated);
        let late = Arc::clone(&sessions).until_ended(token_hash("known")).await;
        assert_eq!(late.code(), tonic::Code::Unauthenticated);
    }

    struct FailingSource;

    #[async_trait::async_trait]
    impl SessionSource for FailingSource {
        async fn resolve(&self, _: &TokenHash) -> Result<Option<Session>> {
            Err(Error::unavailable("postgres", "connection refused"))
        }

        async fn report_seen(&self, _: &[SessionUse]) -> Result<()> {
            Err(Error::unavailable("postgres", "connection refused"))
        }
    }

    #[tokio::test]
    async fn when_nobody_answers_the_call_is_refused() {
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        let sessions = Sessions::start(
            redis,
            PrincipalKeys::default(),
            Arc::new(FailingSource),
            Clock::default(),
            CancellationToken::new(),
        );
        let refusal = sessions.resolve(token_hash("known")).await.unwrap_err();
        assert_eq!(refusal.code(), tonic::Code::Unavailable);
    }
}
