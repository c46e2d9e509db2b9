//! Tells everybody that sessions have ended, after the database knows it.

use std::sync::Arc;
use std::time::Duration;

use shared::authentication::{Sessions, TokenHash};
use shared::error::{Error, Result};
use shared::redis_store::RedisStore;
use shared::telemetry;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Revocations that wait for Redis to come back.
const MAX_WAITING: usize = 10_000;
/// How long to wait before Redis is told again what it could not be told.
const PAUSE: Duration = Duration::from_secs(1);
/// After so long Redis is told once more what it has acknowledged: a node that is lost takes its last second along,
/// and what takes its place, a few seconds later, would believe in the session.
const ONCE_MORE_AFTER: Duration = Duration::from_secs(10);

/// Tells this process and, through Redis, all services.
#[derive(Clone)]
pub struct Revocations {
    sessions: Arc<Sessions>,
    redis: RedisStore,
    late: mpsc::Sender<TokenHash>,
    once_more: mpsc::Sender<(TokenHash, Instant)>,
}

impl Revocations {
    /// Over this service's own cache and Redis; and the work of telling Redis later what it could not be told.
    pub fn new(
        sessions: Arc<Sessions>,
        redis: RedisStore,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (late, waiting) = mpsc::channel(MAX_WAITING);
        let (once_more, told) = mpsc::channel(MAX_WAITING);
        let telling = futures::future::join(
            tell_later(redis.clone(), waiting),
            tell_once_more(redis.clone(), told, late.clone()),
        );
        let work = async move {
            shutdown.run_until_cancelled(telling).await;
        };
        (Self { sessions, redis, late, once_more }, work)
    }

    /// Ends sessions by `commit`, which also tells the hashes of their tokens, and announces them.
    ///
    /// In a task of its own: a call that is dropped after its commit, by its deadline or by its client, must not
    /// leave a token working until its end.
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

    /// Makes sessions, given by the hashes of their tokens, stop working at once. While Redis is away caches
    /// forget within their life; what it still holds is marked as soon as it is back.
    async fn announce(&self, hashes: &[TokenHash]) {
        for hash in hashes {
            self.sessions.evict(hash).await;
        }
        if let Err(error) = self.redis.revoke(hashes).await {
            tracing::debug!(%error, "Redis is told of revoked sessions later");
            for hash in hashes {
                if self.late.try_send(*hash).is_err() {
                    tracing::warn!("too many revocations wait for Redis; one is left to its session's end");
                }
            }
            return;
        }
        let due = Instant::now() + ONCE_MORE_AFTER;
        for hash in hashes {
            // Among more than can wait, it is only not told twice.
            let _full = self.once_more.try_send((*hash, due));
        }
    }
}

async fn tell_later(redis: RedisStore, mut waiting: mpsc::Receiver<TokenHash>) {
    let mut hashes = Vec::new();
    while waiting.recv_many(&mut hashes, MAX_WAITING).await > 0 {
        while redis.revoke(&hashes).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        hashes.clear();
    }
}

/// Hashes are told some time after the last of those that have come together is due.
async fn tell_once_more(
    redis: RedisStore,
    mut told: mpsc::Receiver<(TokenHash, Instant)>,
    late: mpsc::Sender<TokenHash>,
) {
    let mut due = Vec::new();
    while told.recv_many(&mut due, MAX_WAITING).await > 0 {
        let (hashes, times): (Vec<_>, Vec<_>) = due.drain(..).unzip();
        tokio::time::sleep_until(times.last().copied().unwrap_or_else(Instant::now)).await;
        if redis.revoke(&hashes).await.is_err() {
            for hash in hashes {
                // Too many wait already, and are told of first.
                let _full = late.try_send(hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use async_trait::async_trait;
    use futures::poll;
    use shared::authentication::{Seen, SessionSource, token_hash};
    use shared::caller::Session;
    use shared::clock::Clock;
    use tokio::sync::oneshot;

    use super::*;

    struct NoSessions;

    #[async_trait]
    impl SessionSource for NoSessions {
        async fn resolve(&self, _: &TokenHash) -> Result<Option<Session>> {
            Ok(None)
        }

        async fn report_seen(&self, _: &[Seen]) -> Result<()> {
            Ok(())
        }
    }

    /// Redis is away, nothing listens at port 1: what is announced waits for it.
    #[tokio::test]
    async fn what_is_committed_is_announced_though_the_call_is_gone() {
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        let sessions =
            Sessions::start(redis.clone(), Arc::new(NoSessions), Clock::default(), CancellationToken::new());
        let (late, mut waiting) = mpsc::channel(1);
        let (once_more, _) = mpsc::channel(1);
        let revocations = Revocations { sessions, redis, late, once_more };
        let (commit, committed) = oneshot::channel();
        let ended = token_hash("ended");

        let mut call = Box::pin(revocations.announce_after(async move {
            committed.await.map_err(Error::internal)?;
            Ok(((), vec![ended]))
        }));
        assert!(matches!(poll!(&mut call), Poll::Pending));
        drop(call);
        commit.send(()).unwrap();

        assert!(waiting.recv().await == Some(ended));
    }
}
