//! Limits on attempts, per account and per address, in sliding windows.
//!
//! An attempt is counted before its secret is checked, so that concurrent attempts are not more. A success resets the
//! account's count. Only a wrong secret costs an attempt: one that could not be checked, because something was down or
//! busy, is refunded. Redis counts for all replicas, each count in one atomic step in one slot of a cluster; while Redis
//! is down each process counts for itself. Unknown accounts are counted like known ones.

mod count;
mod local_fallback;
mod purpose;
mod window;

use shared::caller::{Caller, network_of};
use shared::clock::Clock;
use shared::error::{Error, ErrorReason, Result};
use shared::redis_store::RedisStore;
use uuid::Uuid;

pub use purpose::Purpose;

use crate::audit::{Audit, Kind};
use crate::sessions::Device;
use count::{Count, Decision};
use window::Windows;

/// The account that an attempt is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By id.
    Known(Uuid),
    /// The caller's own, counted by session: nobody else can use up the attempts of an owner who is signed in, or who was
    /// on this device.
    Own { user_id: Uuid, session_id: Uuid },
    /// By the text that the caller gave, which alone is counted: a refusal does not tell whether there is such an
    /// account, nor that an address and a username are of one account.
    Named { id: Option<Uuid>, name: String },
}

impl Account {
    /// The account `found` by this name, or none.
    pub fn named(found: Option<Uuid>, name: &str) -> Self {
        Self::Named { id: found, name: name.trim().to_lowercase() }
    }

    /// The account of the caller.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a session.
    pub fn own(caller: &Caller) -> Result<Self> {
        let user = caller.user()?;
        Ok(Self::Own { user_id: user.user_id, session_id: user.session_id })
    }

    fn id(&self) -> Option<Uuid> {
        match self {
            Self::Known(id) | Self::Own { user_id: id, .. } => Some(*id),
            Self::Named { id, .. } => *id,
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Known(id) | Self::Own { session_id: id, .. } => id.to_string(),
            // Only a hash: people type passwords into the wrong field.
            Self::Named { name, .. } => shared::authentication::token_hash(name).to_hex(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Attempt {
    purpose: Purpose,
    account: Option<Account>,
    device: Device,
    /// Distinguishes this attempt from others of its windows.
    id: Uuid,
}

impl Attempt {
    pub fn new(purpose: Purpose, device: &Device) -> Self {
        Self { purpose, account: None, device: device.clone(), id: Uuid::now_v7() }
    }

    pub fn on(self, account: Account) -> Self {
        Self { account: Some(account), ..self }
    }

    fn account_count(&self) -> Option<Count> {
        let (account, budget) = (self.account.as_ref()?, self.purpose.per_account()?);
        let name = format!("{}:account:{}", self.purpose.name(), account.key());
        Some(Count { name, budget, id: self.id })
    }

    fn address_count(&self) -> Option<Count> {
        let (address, budget) = (network_of(self.device.address?), self.purpose.per_address()?);
        Some(Count { name: format!("{}:address:{address}", self.purpose.name()), budget, id: self.id })
    }
}

/// Counts attempts; cheap to clone.
#[derive(Clone)]
pub struct AttemptLimiter {
    windows: Windows,
    audit: Audit,
}

impl AttemptLimiter {
    /// Lockouts and wrong secrets become security events of `audit`.
    pub fn new(redis: RedisStore, clock: Clock, audit: Audit) -> Self {
        Self { windows: Windows::new(redis, clock), audit }
    }

    /// Runs `work`, which checks a secret, and counts the attempt.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` with `RetryInfo` when the account or the address has used up its budget; those of `work`.
    pub async fn guard<T>(&self, attempt: Attempt, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.admit(&attempt).await?;
        let outcome = work.await;
        self.settle(&attempt, outcome.as_ref().err().map(Error::reason)).await;
        outcome
    }

    /// Counts an attempt for the account and for the address at the same time.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` with `RetryInfo` when one of them has used up its budget.
    pub async fn admit(&self, attempt: &Attempt) -> Result<()> {
        let (account, address) = futures::join!(
            self.count(attempt.account_count(), attempt),
            self.count(attempt.address_count(), attempt)
        );
        account.and(address)
    }

    /// Ends the lockouts of an account under its names: its owner has proved that they are, and may sign in.
    pub async fn reset_logins(&self, names: [&str; 2], device: &Device) {
        let reset = names.map(|name| async move {
            let attempt = Attempt::new(Purpose::Login, device).on(Account::named(None, name));
            if let Some(count) = attempt.account_count() {
                self.windows.reset(&count).await;
            }
        });
        futures::future::join_all(reset).await;
    }

    /// Ends an admitted attempt: a success resets its account's count, a wrong secret is recorded, any other error is
    /// refunded.
    pub async fn settle(&self, attempt: &Attempt, error: Option<ErrorReason>) {
        match (error, attempt.purpose.failure()) {
            (None, _) => self.reset(attempt).await,
            (Some(reason), Some((wrong, event))) if reason == wrong => self.record(event, attempt),
            _ => self.refund(attempt).await,
        }
    }

    async fn count(&self, count: Option<Count>, attempt: &Attempt) -> Result<()> {
        let Some(count) = count else { return Ok(()) };
        let Decision::Refused { retry_after, starts_lockout } = self.windows.add(&count).await else {
            return Ok(());
        };
        if starts_lockout {
            self.record(Kind::Lockout, attempt);
        }
        Err(Error::Exhausted { reason: ErrorReason::RateLimited, message: count.budget.refusal, retry_after })
    }

    fn record(&self, event: Kind, attempt: &Attempt) {
        let account = attempt.account.as_ref().and_then(Account::id);
        self.audit.record_failure(event, account, &attempt.device);
    }

    async fn refund(&self, attempt: &Attempt) {
        for count in [attempt.account_count(), attempt.address_count()].into_iter().flatten() {
            self.windows.refund(&count).await;
        }
    }

    /// The address keeps the failures at other accounts.
    async fn reset(&self, attempt: &Attempt) {
        let account = async {
            if let Some(count) = attempt.account_count() {
                self.windows.reset(&count).await;
            }
        };
        let address = async {
            if let Some(count) = attempt.address_count() {
                self.windows.refund(&count).await;
            }
        };
        futures::join!(account, address);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::*;

    /// Redis is down: nothing listens at port 1.
    fn limiter() -> (AttemptLimiter, Clock) {
        let clock = Clock::default();
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        (AttemptLimiter::new(redis, clock.clone(), Audit::new()), clock)
    }

    fn device(address: [u8; 4]) -> Device {
        Device { address: Some(address.into()), user_agent: None }
    }

    fn login(account: &str) -> Attempt {
        Attempt::new(Purpose::Login, &device([192, 0, 2, 1])).on(Account::named(None, account))
    }

    #[tokio::test]
    async fn an_account_is_locked_for_a_quarter_of_an_hour_also_without_redis() {
        let (limiter, clock) = limiter();
        for _ in 0..10 {
            limiter.admit(&login("olga")).await.unwrap();
        }
        let refusal = limiter.admit(&login("Olga ")).await.unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::RateLimited);
        limiter.admit(&login("gus")).await.unwrap();
        clock.advance(TimeDelta::minutes(14));
        assert!(limiter.admit(&login("olga")).await.is_err());
        clock.advance(TimeDelta::minutes(2));
        limiter.admit(&login("olga")).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_is_limited_over_all_accounts_and_successes_do_not_count() {
        let (limiter, _) = limiter();
        for number in 0..200 {
            limiter.guard(login(&format!("user{number}")), async { Ok(()) }).await.unwrap();
        }
        for number in 0..100 {
            limiter.admit(&login(&format!("guess{number}"))).await.unwrap();
        }
        assert!(limiter.admit(&login("another")).await.is_err());
    }

    #[tokio::test]
    async fn each_purpose_has_a_budget_of_its_own() {
        let (limiter, _) = limiter();
        let register = || Attempt::new(Purpose::Register, &device([192, 0, 2, 1]));
        for _ in 0..100 {
            limiter.admit(&register()).await.unwrap();
        }
        match limiter.admit(&register()).await.unwrap_err() {
            Error::Exhausted { reason: ErrorReason::RateLimited, retry_after, .. } => {
                assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(15 * 60));
            }
            other => panic!("{other:?}"),
        }
        let elsewhere = Attempt::new(Purpose::Register, &device([192, 0, 2, 2]));
        limiter.admit(&elsewhere).await.unwrap();
        limiter.admit(&login("olga")).await.unwrap();
        limiter.admit(&Attempt::new(Purpose::Refresh, &device([192, 0, 2, 1]))).await.unwrap();
    }

    #[tokio::test]
    async fn the_window_slides() {
        let (limiter, clock) = limiter();
        let send =
            || Attempt::new(Purpose::SendCode, &device([192, 0, 2, 1])).on(Account::Known(Uuid::nil()));
        for _ in 0..5 {
            limiter.admit(&send()).await.unwrap();
            clock.advance(TimeDelta::minutes(10));
        }
        assert!(limiter.admit(&send()).await.is_err());
        clock.advance(TimeDelta::minutes(11));
        limiter.admit(&send()).await.unwrap();
        assert!(limiter.admit(&send()).await.is_err());
    }

    #[tokio::test]
    async fn only_a_wrong_secret_costs_an_attempt() {
        let (limiter, _) = limiter();
        let wrong = || Error::Unauthenticated { reason: ErrorReason::InvalidCredentials, message: "wrong" };
        for _ in 0..20 {
            limiter
                .guard(login("olga"), async { Err::<(), _>(Error::internal("outage")) })
                .await
                .unwrap_err();
        }
        for _ in 0..10 {
            let refusal = limiter.guard(login("olga"), async { Err::<(), _>(wrong()) }).await.unwrap_err();
            assert_eq!(refusal.reason(), ErrorReason::InvalidCredentials);
        }
        let refusal = limiter.guard(login("olga"), async { Ok(()) }).await.unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::RateLimited);
    }
}
