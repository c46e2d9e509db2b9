//! Limits on guessing and on what costs: attempts per account and per address, in a sliding window.
//!
//! An attempt is counted before it is looked at, so that many at once are not more; one that succeeds is taken
//! back. Redis counts for all replicas, each count in one atomic step of one slot of a cluster; while it is away
//! each process counts for itself. Known and unknown accounts are counted alike.
//!
//! How a call uses it:
//!
//! ```text
//! let attempt = Attempt::new(Purpose::SendCode).on(Account::named(user_id, &email)).from(device.address);
//! let attempt = limits.admit(attempt).await?;   // RESOURCE_EXHAUSTED with RetryInfo
//! // ... look at the code or the password ...
//! limits.forgive(&attempt).await;               // it was right: the account's failures are forgotten
//! limits.take_back(&attempt).await;             // or: it was not looked at (the server was busy)
//! ```
//! A failure needs nothing more but a word to [`crate::audit::Audit::note_failure`].

mod local_fallback;
mod purpose;
mod window;

use proto::identity::v1::SecurityEventKind;
use shared::caller::network_of;
use shared::clock::Clock;
use shared::error::{Error, ErrorReason, Result};
use shared::redis_store::RedisStore;
use uuid::Uuid;

pub use purpose::Purpose;

use crate::audit::Audit;
use crate::sessions::Device;
use purpose::Budget;
use window::{Verdict, Windows};

/// The account that an attempt names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// One that exists, by id: so e-mail address and username do not make two of one.
    Known(Uuid),
    /// One that does not, by what the caller typed. It is kept as a hash only.
    Unknown(String),
}

impl Account {
    /// What `name` names: the account `found`, or none.
    pub fn named(found: Option<Uuid>, name: &str) -> Self {
        found.map_or_else(|| Self::Unknown(name.trim().to_lowercase()), Self::Known)
    }

    /// The account's id, if it exists.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Known(id) => Some(*id),
            Self::Unknown(_) => None,
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Known(id) => id.to_string(),
            // Not the text itself: people type passwords into the wrong field.
            Self::Unknown(name) => shared::authentication::token_hash(name).to_hex(),
        }
    }
}

/// Somebody tries something.
#[derive(Clone, Debug)]
pub struct Attempt {
    purpose: Purpose,
    account: Option<Account>,
    device: Device,
    /// Tells this attempt from others in its windows.
    id: Uuid,
}

impl Attempt {
    /// An attempt at this.
    pub fn new(purpose: Purpose) -> Self {
        let device = Device { address: None, user_agent: None };
        Self { purpose, account: None, device, id: Uuid::now_v7() }
    }

    /// At this account.
    pub fn on(self, account: Account) -> Self {
        Self { account: Some(account), ..self }
    }

    /// From this device.
    pub fn from(self, device: &Device) -> Self {
        Self { device: device.clone(), ..self }
    }

    fn of_account(&self) -> Option<Count> {
        let (account, budget) = (self.account.as_ref()?, self.purpose.per_account()?);
        Some(Count {
            name: format!("{}:account:{}", self.purpose.name(), account.key()),
            budget,
            id: self.id,
        })
    }

    fn of_address(&self) -> Option<Count> {
        let (address, budget) = (network_of(self.device.address?), self.purpose.per_address()?);
        Some(Count { name: format!("{}:address:{address}", self.purpose.name()), budget, id: self.id })
    }
}

/// What is counted under one name.
struct Count {
    name: String,
    budget: &'static Budget,
    id: Uuid,
}

/// Counts attempts; cheap to clone.
#[derive(Clone)]
pub struct Limits {
    windows: Windows,
    audit: Audit,
}

impl Limits {
    /// Over Redis; lockouts are told to the audit.
    pub fn new(redis: RedisStore, clock: Clock, audit: Audit) -> Self {
        Self { windows: Windows::new(redis, clock), audit }
    }

    /// Counts an attempt, for the account and for the address at the same time.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when the account or the address has used up its budget.
    pub async fn admit(&self, attempt: Attempt) -> Result<Attempt> {
        let (account, address) = futures::join!(
            self.count(attempt.of_account(), &attempt),
            self.count(attempt.of_address(), &attempt)
        );
        account.and(address).map(|()| attempt)
    }

    async fn count(&self, count: Option<Count>, attempt: &Attempt) -> Result<()> {
        let Some(count) = count else { return Ok(()) };
        let (retry_after, locked_just_now) = match self.windows.add(&count).await {
            Verdict::Admitted => return Ok(()),
            Verdict::Refused { retry_after, locked_just_now } => (retry_after, locked_just_now),
        };
        if locked_just_now {
            let account = attempt.account.as_ref().and_then(Account::id);
            self.audit.note_failure(SecurityEventKind::Lockout, account, &attempt.device);
        }
        Err(Error::Exhausted { reason: ErrorReason::RateLimited, message: count.budget.refusal, retry_after })
    }

    /// Takes an attempt back that was not looked at.
    pub async fn take_back(&self, attempt: &Attempt) {
        for count in [attempt.of_account(), attempt.of_address()].into_iter().flatten() {
            self.windows.take_back(&count).await;
        }
    }

    /// Takes an attempt back that succeeded: its owner has shown up, so the account's failures are forgotten;
    /// the address keeps those of its other accounts.
    pub async fn forgive(&self, attempt: &Attempt) {
        let account = async {
            if let Some(count) = attempt.of_account() {
                self.windows.forget(&count).await;
            }
        };
        let address = async {
            if let Some(count) = attempt.of_address() {
                self.windows.take_back(&count).await;
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

    /// Redis is away: nothing listens at port 1.
    fn limits() -> (Limits, Clock) {
        let clock = Clock::default();
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        (Limits::new(redis, clock.clone(), Audit::new()), clock)
    }

    fn device(address: [u8; 4]) -> Device {
        Device { address: Some(address.into()), user_agent: None }
    }

    fn login(account: &str) -> Attempt {
        Attempt::new(Purpose::Login).on(Account::named(None, account)).from(&device([192, 0, 2, 1]))
    }

    #[tokio::test]
    async fn an_account_is_locked_for_a_while_also_without_redis() {
        let (limits, clock) = limits();
        for _ in 0..10 {
            limits.admit(login("olga")).await.unwrap();
        }
        let refusal = limits.admit(login("Olga ")).await.unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::RateLimited);
        limits.admit(login("gus")).await.unwrap();
        clock.advance(TimeDelta::minutes(14));
        assert!(limits.admit(login("olga")).await.is_err());
        clock.advance(TimeDelta::minutes(2));
        limits.admit(login("olga")).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_is_limited_over_all_accounts_and_success_does_not_count() {
        let (limits, _) = limits();
        for number in 0..200 {
            let attempt = limits.admit(login(&format!("user{number}"))).await.unwrap();
            limits.forgive(&attempt).await;
        }
        for number in 0..100 {
            limits.admit(login(&format!("guess{number}"))).await.unwrap();
        }
        assert!(limits.admit(login("another")).await.is_err());
    }

    #[tokio::test]
    async fn each_purpose_has_a_budget_of_its_own() {
        let (limits, _) = limits();
        let register = || Attempt::new(Purpose::Register).from(&device([192, 0, 2, 1]));
        for _ in 0..100 {
            limits.admit(register()).await.unwrap();
        }
        match limits.admit(register()).await.unwrap_err() {
            Error::Exhausted { reason: ErrorReason::RateLimited, retry_after, .. } => {
                assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(15 * 60));
            }
            other => panic!("{other:?}"),
        }
        let elsewhere = Attempt::new(Purpose::Register).from(&device([192, 0, 2, 2]));
        limits.admit(elsewhere).await.unwrap();
        limits.admit(login("olga")).await.unwrap();
        limits.admit(Attempt::new(Purpose::Refresh).from(&device([192, 0, 2, 1]))).await.unwrap();
    }

    #[tokio::test]
    async fn the_window_slides() {
        let (limits, clock) = limits();
        let send =
            || Attempt::new(Purpose::SendCode).on(Account::Known(Uuid::nil())).from(&device([192, 0, 2, 1]));
        for _ in 0..5 {
            limits.admit(send()).await.unwrap();
            clock.advance(TimeDelta::minutes(10));
        }
        assert!(limits.admit(send()).await.is_err());
        clock.advance(TimeDelta::minutes(11));
        limits.admit(send()).await.unwrap();
        assert!(limits.admit(send()).await.is_err());
    }
}
