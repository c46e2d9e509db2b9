//! Tells everybody that sessions have ended, after the database knows it.

use std::sync::Arc;
use std::time::Duration;

use shared::authentication::{Sessions, TokenHash};
use shared::redis_store::RedisStore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Revocations that wait for Redis to come back.
const MAX_WAITING: usize = 10_000;
/// How long to wait before Redis is told again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells this process and, through Redis, all services.
#[derive(Clone)]
pub struct Revocations {
    sessions: Arc<Sessions>,
    redis: RedisStore,
    late: mpsc::Sender<TokenHash>,
}

impl Revocations {
    /// Over this service's own cache and Redis; and the work of telling Redis later what it could not be told.
    pub fn new(
        sessions: Arc<Sessions>,
        redis: RedisStore,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (late, waiting) = mpsc::channel(MAX_WAITING);
        let telling = tell_later(redis.clone(), waiting);
        let work = async move {
            shutdown.run_until_cancelled(telling).await;
        };
        (Self { sessions, redis, late }, work)
    }

    /// Makes sessions, given by the hashes of their tokens, stop working at once. While Redis is away caches
    /// forget within their life; what it still holds is marked as soon as it is back.
    pub async fn announce(&self, hashes: &[TokenHash]) {
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
