//! Sliding windows in Redis: per name a sorted set of the attempts within the window, by their time. What is
//! refused is not added, so a set holds no more than its budget.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue};
use shared::clock::Clock;
use shared::redis_store::RedisStore;

use super::Count;
use super::local_fallback::Here;

/// How long Redis is left alone after it failed, so that not every sign-in waits for it.
const REDIS_PAUSE: Duration = Duration::from_secs(1);

/// One atomic step. Keys: the attempts; until when everything is refused. Arguments: now, window and lockout in
/// milliseconds, the budget, the attempt's id. Answers: milliseconds to wait (0: admitted), and whether the
/// lockout begins with this attempt.
const ADD: &str = r"
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

/// What becomes of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Admitted,
    Refused { retry_after: Duration, locked_just_now: bool },
}

impl Verdict {
    pub(super) fn of(wait_ms: i64, locked_just_now: bool) -> Self {
        match u64::try_from(wait_ms) {
            Ok(0) | Err(_) => Self::Admitted,
            Ok(wait) => Self::Refused { retry_after: Duration::from_millis(wait), locked_just_now },
        }
    }
}

/// The windows, in Redis and, for when it is away, in this process.
#[derive(Clone)]
pub(super) struct Windows {
    redis: RedisStore,
    redis_failed_at: Arc<Mutex<Option<Instant>>>,
    clock: Clock,
    here: Here,
}

impl Windows {
    pub(super) fn new(redis: RedisStore, clock: Clock) -> Self {
        Self { redis, redis_failed_at: Arc::default(), clock, here: Here::new() }
    }

    /// Counts an attempt, also here: as long as the window reaches back to a time at which Redis was away, the stricter of
    /// the two counts holds, or a Redis that comes and goes would let more attempts through.
    pub(super) async fn add(&self, count: &Count) -> Verdict {
        let (now, budget) = (self.clock.now().timestamp_millis(), count.budget);
        let [attempts, lock] = self.keys(count);
        let mut command = redis::cmd("EVAL");
        command.arg(ADD).arg(2).arg(attempts).arg(lock);
        command.arg(now).arg(milliseconds(budget.window)).arg(milliseconds(budget.lockout)).arg(budget.max);
        command.arg(count.id.as_bytes().as_slice());
        let here = self.here.add(count, now).await;
        let Some((wait, locked)) = self.ask_redis::<(i64, i64)>(&command).await else { return here };
        let there = Verdict::of(wait, locked == 1);
        match (&there, &here) {
            (Verdict::Refused { .. }, Verdict::Admitted) => self.here.take_back(count).await,
            (Verdict::Admitted, Verdict::Refused { .. }) if self.redis_failed_within(budget.window) => {
                return here;
            }
            _ => {}
        }
        there
    }

    /// Takes one attempt back.
    pub(super) async fn take_back(&self, count: &Count) {
        let [attempts, _] = self.keys(count);
        let command = Cmd::zrem(attempts, count.id.as_bytes().as_slice());
        self.here.take_back(count).await;
        // Otherwise it counts until it leaves the window.
        let _gone: Option<i64> = self.ask_redis(&command).await;
    }

    /// Forgets all attempts under this name.
    pub(super) async fn forget(&self, count: &Count) {
        let [attempts, lock] = self.keys(count);
        self.here.forget(count).await;
        let _gone: Option<i64> = self.ask_redis(&Cmd::del(&[attempts, lock])).await;
    }

    fn redis_failed_within(&self, time: Duration) -> bool {
        let failed_at = *self.redis_failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|failed_at| failed_at.elapsed() < time)
    }

    async fn ask_redis<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        if self.redis_failed_within(REDIS_PAUSE) {
            return None;
        }
        match self.redis.query(command).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(%error, "attempts are counted in this process for {REDIS_PAUSE:?}");
                *self.redis_failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                None
            }
        }
    }

    /// The braces make both keys one slot of a cluster.
    fn keys(&self, count: &Count) -> [String; 2] {
        let name = &count.name;
        [format!("{{attempts:{name}}}"), format!("{{attempts:{name}}}:lock")]
            .map(|name| self.redis.key(&name))
    }
}

pub(super) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
