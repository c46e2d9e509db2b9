//! Sliding windows in Redis: per name a sorted set of the attempts within the window, by time. A refused attempt is not
//! added, so a set holds no more than its budget.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue};
use shared::clock::Clock;
use shared::redis_store::RedisStore;

use super::count::{Count, Decision, milliseconds};
use super::local_fallback::LocalWindows;

/// How long Redis is not asked after a failure, so that not every login waits for it.
const REDIS_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Counts an attempt in one atomic step. Keys: the attempts; the end of the lockout. Arguments: now, window and lockout
/// in milliseconds, the budget, the attempt's id. Returns milliseconds to wait (0: admitted), and whether a lockout
/// begins with this attempt.
const COUNT_SCRIPT: &str = r"
local now, window, lockout, max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local locked_until = tonumber(redis.call('GET', KEYS[2]) or 0)
if locked_until > now then return {locked_until - now, 0} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) < max then
  redis.call('ZADD', KEYS[1], now, ARGV[5])
  redis.call('PEXPIRE', KEYS[1], window)
  return {0, 0}
end
if lockout > 0 then
  redis.call('SET', KEYS[2], now + lockout, 'PX', lockout)
  redis.call('DEL', KEYS[1])
  return {lockout, 1}
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {math.max(1, oldest[2] + window - now), 0}
";

/// The windows in Redis, and in this process for when Redis is down.
#[derive(Clone)]
pub(super) struct Windows {
    redis: RedisStore,
    redis_failed_at: Arc<Mutex<Option<Instant>>>,
    clock: Clock,
    local: LocalWindows,
}

impl Windows {
    pub(super) fn new(redis: RedisStore, clock: Clock) -> Self {
        Self { redis, redis_failed_at: Arc::default(), clock, local: LocalWindows::new() }
    }

    /// Counts an attempt in Redis and in this process. While the window reaches back to a failure of Redis the stricter
    /// count decides: otherwise a Redis that comes and goes would let more attempts through.
    pub(super) async fn add(&self, count: &Count) -> Decision {
        let (now, budget) = (self.clock.now().timestamp_millis(), count.budget);
        let [attempts, lock] = self.keys(count);
        let mut command = redis::cmd("EVAL");
        command.arg(COUNT_SCRIPT).arg(2).arg(attempts).arg(lock);
        command.arg(now).arg(milliseconds(budget.window)).arg(milliseconds(budget.lockout)).arg(budget.max);
        command.arg(count.id.as_bytes().as_slice());
        let local = self.local.add(count, now).await;
        let Some((wait, locked)) = self.query_redis::<(i64, i64)>(&command).await else { return local };
        let remote = Decision::new(wait, locked == 1);
        match (&remote, &local) {
            (Decision::Refused { .. }, Decision::Admitted) => self.local.refund(count).await,
            (Decision::Admitted, Decision::Refused { .. }) if self.redis_failed_within(budget.window) => {
                return local;
            }
            _ => {}
        }
        remote
    }

    /// Removes one attempt.
    pub(super) async fn refund(&self, count: &Count) {
        let [attempts, _] = self.keys(count);
        let command = Cmd::zrem(attempts, count.id.as_bytes().as_slice());
        self.local.refund(count).await;
        // If Redis fails, the attempt counts until it leaves the window.
        let _removed: Option<i64> = self.query_redis(&command).await;
    }

    /// Removes all attempts and the lockout.
    pub(super) async fn reset(&self, count: &Count) {
        let [attempts, lock] = self.keys(count);
        self.local.reset(count).await;
        let _removed: Option<i64> = self.query_redis(&Cmd::del(&[attempts, lock])).await;
    }

    fn redis_failed_within(&self, time: Duration) -> bool {
        let failed_at = *self.redis_failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|failed_at| failed_at.elapsed() < time)
    }

    async fn query_redis<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        if self.redis_failed_within(REDIS_RETRY_DELAY) {
            return None;
        }
        match self.redis.query(command).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(%error, "attempts are counted in this process for {REDIS_RETRY_DELAY:?}");
                *self.redis_failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                None
            }
        }
    }

    /// The braces put both keys into one slot of a cluster.
    fn keys(&self, count: &Count) -> [String; 2] {
        let name = &count.name;
        [format!("{{attempts:{name}}}"), format!("{{attempts:{name}}}:lock")]
            .map(|name| self.redis.key(&name))
    }
}
