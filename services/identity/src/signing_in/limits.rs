//! Limits on guessing and on signing up: attempts to sign in that failed, per account and per address, and
//! attempts to register, per address, in a window that begins with the first.
//!
//! Attempts are counted before the password is looked at, so that many at once are not more; one that succeeds
//! is taken back. Redis counts for all replicas; while it is away each process counts for itself.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::future::Cache;
use redis::{FromRedisValue, Pipeline};
use shared::error::{Error, ErrorReason, Result};
use shared::redis_store::RedisStore;

/// Failures that one account may have in a window.
pub const MAX_FAILURES_PER_ACCOUNT: i64 = 10;
/// Failures that one address may have in a window.
pub const MAX_FAILURES_PER_ADDRESS: i64 = 100;
/// Registrations that one address may try in a window, well or badly: each costs a hash.
pub const MAX_REGISTRATIONS_PER_ADDRESS: i64 = 100;
/// How long a window lasts.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// How long Redis is left alone after it failed, so that not every sign-in waits for it.
const REDIS_PAUSE: Duration = Duration::from_secs(1);
/// Windows counted in this process at most.
const CAPACITY: u64 = 100_000;

/// Counts attempts; cheap to clone.
#[derive(Clone)]
pub struct Limits {
    redis: RedisStore,
    redis_failed_at: Arc<Mutex<Option<Instant>>>,
    /// While Redis is away.
    here: Cache<String, Arc<Window>>,
}

struct Window {
    began: Instant,
    attempts: AtomicI64,
}

/// What is counted under one name.
struct Count {
    name: String,
    max: i64,
    refusal: &'static str,
}

const TOO_MANY_FAILURES: &str = "too many failed sign-ins; try again later";
const TOO_MANY_REGISTRATIONS: &str = "too many registrations from this address; try again later";

/// Who tries: the account that is named, whether it exists or not, and the address that the call comes from.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Names the account.
    pub account: String,
    /// Where the call comes from, if it can be told.
    pub address: Option<IpAddr>,
}

impl Attempt {
    fn of_account(&self) -> Count {
        Count {
            name: format!("account:{}", self.account),
            max: MAX_FAILURES_PER_ACCOUNT,
            refusal: TOO_MANY_FAILURES,
        }
    }

    fn of_address(&self) -> Option<Count> {
        let address = network_of(self.address?);
        Some(Count {
            name: format!("address:{address}"),
            max: MAX_FAILURES_PER_ADDRESS,
            refusal: TOO_MANY_FAILURES,
        })
    }
}

/// One subscriber has a whole /64 of IPv6 addresses (RFC 6177).
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        IpAddr::V4(address) => address.into(),
    }
}

impl Limits {
    /// Over Redis.
    pub fn new(redis: RedisStore) -> Self {
        let here = Cache::builder().max_capacity(CAPACITY).time_to_live(WINDOW).build();
        Self { redis, redis_failed_at: Arc::default(), here }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when the account or the address has failed too often.
    pub async fn count(&self, attempt: &Attempt) -> Result<()> {
        let account = attempt.of_account();
        let of_account = self.add(&account);
        let Some(address) = attempt.of_address() else { return of_account.await };
        let (of_account, of_address) = futures::join!(of_account, self.add(&address));
        of_account.and(of_address)
    }

    /// Counts an attempt to register.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when the address has registered too often.
    pub async fn count_registration(&self, address: Option<IpAddr>) -> Result<()> {
        let Some(address) = address.map(network_of) else { return Ok(()) };
        self.add(&Count {
            name: format!("registrations:{address}"),
            max: MAX_REGISTRATIONS_PER_ADDRESS,
            refusal: TOO_MANY_REGISTRATIONS,
        })
        .await
    }

    /// Takes an attempt back that was not looked at.
    pub async fn take_back(&self, attempt: &Attempt) {
        self.subtract(attempt.of_account()).await;
        self.take_back_of_address(attempt).await;
    }

    /// Takes an attempt back that succeeded: its owner has shown up, so the account's failures are forgotten;
    /// the address keeps those of its other accounts.
    pub async fn forgive(&self, attempt: &Attempt) {
        let account = attempt.of_account().name;
        self.here.invalidate(&account).await;
        let mut forget = redis::pipe();
        forget.del(self.key(&account)).ignore();
        // Otherwise they are remembered until their window ends.
        let _forgotten: Option<()> = self.ask_redis(&forget).await;
        self.take_back_of_address(attempt).await;
    }

    async fn take_back_of_address(&self, attempt: &Attempt) {
        if let Some(address) = attempt.of_address() {
            self.subtract(address).await;
        }
    }

    async fn subtract(&self, count: Count) {
        if self.add_in_redis(&count.name, -1).await.is_none() {
            self.add_here(&count.name, -1).await;
        }
    }

    async fn add(&self, count: &Count) -> Result<()> {
        let (attempts, left) = match self.add_in_redis(&count.name, 1).await {
            Some(counted) => counted,
            None => self.add_here(&count.name, 1).await,
        };
        if attempts > count.max {
            return Err(Error::Exhausted {
                reason: ErrorReason::RateLimited,
                message: count.refusal,
                retry_after: left,
            });
        }
        Ok(())
    }

    /// How many attempts there are now, and how much is left of the window; `None` while Redis is away.
    async fn add_in_redis(&self, name: &str, attempts: i64) -> Option<(i64, Duration)> {
        let key = self.key(name);
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(&key).arg(0).arg("EX").arg(WINDOW.as_secs()).arg("NX").ignore();
        pipeline.incr(&key, attempts).ttl(&key);
        let (attempts, left): (i64, i64) = self.ask_redis(&pipeline).await?;
        Some((attempts, Duration::from_secs(u64::try_from(left).unwrap_or_default().max(1))))
    }

    async fn ask_redis<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Option<T> {
        let failed_at = *self.redis_failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if failed_at.is_some_and(|time| time.elapsed() < REDIS_PAUSE) {
            return None;
        }
        match self.redis.query_pipeline(pipeline).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(%error, "failed sign-ins are counted in this process for {REDIS_PAUSE:?}");
                *self.redis_failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                None
            }
        }
    }

    async fn add_here(&self, name: &str, attempts: i64) -> (i64, Duration) {
        let new = || Arc::new(Window { began: Instant::now(), attempts: AtomicI64::new(0) });
        let window = self.here.get_with_by_ref(name, async { new() }).await;
        let before = window.attempts.fetch_add(attempts, Ordering::Relaxed);
        (before + attempts, WINDOW.saturating_sub(window.began.elapsed()))
    }

    /// The braces make it one slot of a cluster.
    fn key(&self, name: &str) -> String {
        self.redis.key(&format!("{{attempts:{name}}}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Redis is away: nothing listens at port 1.
    fn limits() -> Limits {
        Limits::new(RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap())
    }

    fn attempt(account: &str) -> Attempt {
        Attempt { account: account.to_owned(), address: Some(IpAddr::from([192, 0, 2, 1])) }
    }

    #[tokio::test]
    async fn an_account_is_limited_also_without_redis() {
        let limits = limits();
        for _ in 0..MAX_FAILURES_PER_ACCOUNT {
            limits.count(&attempt("olga")).await.unwrap();
        }
        let refusal = limits.count(&attempt("olga")).await.unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::RateLimited);
        limits.count(&attempt("gus")).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_is_limited_over_all_accounts_and_success_does_not_count() {
        let limits = limits();
        for number in 0..2 * MAX_FAILURES_PER_ADDRESS {
            let attempt = attempt(&format!("user{number}"));
            limits.count(&attempt).await.unwrap();
            limits.forgive(&attempt).await;
        }
        for number in 0..MAX_FAILURES_PER_ADDRESS {
            limits.count(&attempt(&format!("guess{number}"))).await.unwrap();
        }
        assert!(limits.count(&attempt("another")).await.is_err());
    }

    #[tokio::test]
    async fn an_address_registers_a_limited_number_of_times_and_still_signs_in() {
        let (limits, address) = (limits(), Some(IpAddr::from([192, 0, 2, 1])));
        for _ in 0..MAX_REGISTRATIONS_PER_ADDRESS {
            limits.count_registration(address).await.unwrap();
        }
        match limits.count_registration(address).await.unwrap_err() {
            Error::Exhausted { reason: ErrorReason::RateLimited, retry_after, .. } => {
                assert!(retry_after > Duration::ZERO && retry_after <= WINDOW);
            }
            other => panic!("{other:?}"),
        }
        limits.count_registration(Some(IpAddr::from([192, 0, 2, 2]))).await.unwrap();
        limits.count(&attempt("olga")).await.unwrap();
    }

    #[test]
    fn neighbours_in_ipv6_are_one() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
