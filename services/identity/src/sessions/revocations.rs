//! Announcement of ended sessions to all services, after the commit.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use shared::authentication::{Sessions, TokenHash};
use shared::clock::Clock;
use shared::database::Database;
use shared::error::{Error, Result};
use shared::redis_store::RedisStore;
use shared::telemetry;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::queries;
use super::store::COPY_LIFETIME;

/// Revocations that wait for Redis.
const MAX_PENDING: usize = 10_000;
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// An acknowledged revocation is repeated after this time: a Redis node that fails loses its last second, and its
/// replacement, a few seconds later, would still accept the session.
const REPEAT_DELAY: Duration = Duration::from_secs(10);
/// Revocations that are announced in one operation.
const BATCH_SIZE: usize = 500;

/// Announces revocations to this process and, through Redis, to all services.
#[derive(Clone)]
pub struct Revocations {
    sessions: Arc<Sessions>,
    redis: RedisStore,
    retries: mpsc::Sender<TokenHash>,
    repeats: mpsc::Sender<(TokenHash, Instant)>,
}

impl Revocations {
    /// Also returns the work that retries and repeats announcements.
    pub fn new(
        sessions: Arc<Sessions>,
        redis: RedisStore,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (retries, pending) = mpsc::channel(MAX_PENDING);
        let (repeats, acknowledged) = mpsc::channel(MAX_PENDING);
        let announcer = futures::future::join(
            retry(redis.clone(), pending),
            repeat(redis.clone(), acknowledged, retries.clone()),
        );
        let work = async move {
            shutdown.run_until_cancelled(announcer).await;
        };
        (Self { sessions, redis, retries, repeats }, work)
    }

    /// Announces what was revoked while copies of it may be valid, when this process begins: a former process may have ended
    /// before Redis took its revocations, or Redis may have lost them since. Waits for PostgreSQL.
    pub async fn announce_recent(self, worker: Database, clock: Clock) {
        let hashes = loop {
            match recently_revoked(&worker, &clock).await {
                Ok(hashes) => break hashes,
                Err(error) => tracing::warn!(%error, "recent revocations cannot be read yet"),
            }
            tokio::time::sleep(RETRY_DELAY).await;
        };
        for batch in hashes.chunks(BATCH_SIZE) {
            self.announce(batch).await;
        }
    }

    /// Ends sessions by `commit`, which also returns the hashes of their tokens, and announces them.
    ///
    /// In a task of its own: a call that is dropped after its commit, by its deadline or by its client, must not
    /// leave a token valid in caches.
    ///
    /// # Errors
    /// Those of `commit`.
    pub async fn announce_after<T: Send + 'static>(
        &self,
        commit: impl Future<Output = Result<(T, Vec<TokenHash>)>> + Send + 'static,
    ) -> Result<T> {
        let announcer = self.clone();
        let work = async move {
            let (answer, ended) = commit.await?;
            announcer.announce(&ended).await;
            Ok(answer)
        };
        tokio::spawn(telemetry::in_current_call(work)).await.map_err(Error::internal)?
    }

    /// While Redis is down, caches drop the sessions within their lifetime, and Redis is told as soon as it is back.
    async fn announce(&self, hashes: &[TokenHash]) {
        for hash in hashes {
            self.sessions.evict(hash).await;
        }
        if let Err(error) = self.redis.revoke(hashes).await {
            let (sessions, cause) = (hashes.len(), error.source().map(ToString::to_string));
            tracing::warn!(%error, cause, sessions, "Redis did not take the revocation of sessions; it is retried");
            for hash in hashes {
                if self.retries.try_send(*hash).is_err() {
                    tracing::warn!("too many revocations wait for Redis; one is dropped");
                }
            }
            return;
        }
        let due = Instant::now() + REPEAT_DELAY;
        for hash in hashes {
            // If too many wait, it is not repeated.
            let _full = self.repeats.try_send((*hash, due));
        }
    }
}

async fn recently_revoked(worker: &Database, clock: &Clock) -> Result<Vec<TokenHash>> {
    let tx = worker.begin_background().await?;
    let now = clock.now();
    let hashes = queries::revoked_tokens(&tx, now, now - COPY_LIFETIME).await?;
    tx.finish();
    Ok(hashes)
}

async fn retry(redis: RedisStore, mut pending: mpsc::Receiver<TokenHash>) {
    let mut hashes = Vec::new();
    while pending.recv_many(&mut hashes, MAX_PENDING).await > 0 {
        while redis.revoke(&hashes).await.is_err() {
            tokio::time::sleep(RETRY_DELAY).await;
        }
        hashes.clear();
    }
}

/// Hashes that arrive together are repeated when the last of them is due.
async fn repeat(
    redis: RedisStore,
    mut acknowledged: mpsc::Receiver<(TokenHash, Instant)>,
    retries: mpsc::Sender<TokenHash>,
) {
    let mut due = Vec::new();
    while acknowledged.recv_many(&mut due, MAX_PENDING).await > 0 {
        let (hashes, times): (Vec<_>, Vec<_>) = due.drain(..).unzip();
        tokio::time::sleep_until(times.last().copied().unwrap_or_else(Instant::now)).await;
        if redis.revoke(&hashes).await.is_err() {
            for hash in hashes {
                // If too many wait, it is not repeated.
                let _full = retries.try_send(hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use async_trait::async_trait;
    use futures::poll;
    use shared::authentication::{SessionSource, SessionUse, token_hash};
    use shared::caller::Session;
    use shared::clock::Clock;
    use shared::service_identity::PrincipalKeys;
    use tokio::sync::oneshot;

    use super::*;

    struct NoSessions;

    #[async_trait]
    impl SessionSource for NoSessions {
        async fn resolve(&self, _: &TokenHash) -> Result<Option<Session>> {
            Ok(None)
        }

        async fn report_seen(&self, _: &[SessionUse]) -> Result<()> {
            Ok(())
        }
    }

    /// Redis is down, nothing listens at port 1: the announcement waits for it.
    #[tokio::test]
    async fn a_committed_revocation_is_announced_even_if_the_call_is_dropped() {
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        let sessions = Sessions::start(
            redis.clone(),
            PrincipalKeys::default(),
            Arc::new(NoSessions),
            Clock::default(),
            CancellationToken::new(),
        );
        let (retries, mut pending) = mpsc::channel(1);
        let (repeats, _) = mpsc::channel(1);
        let revocations = Revocations { sessions, redis, retries, repeats };
        let (commit, committed) = oneshot::channel();
        let ended = token_hash("ended");

        let mut call = Box::pin(revocations.announce_after(async move {
            committed.await.map_err(Error::internal)?;
            Ok(((), vec![ended]))
        }));
        assert!(matches!(poll!(&mut call), Poll::Pending));
        drop(call);
        commit.send(()).unwrap();

        assert!(pending.recv().await == Some(ended));
    }
}
