//! The rate limit of each caller.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uuid::Uuid;

use crate::caller::{Caller, network_of};
use crate::config::LimitOptions;
use crate::error::{Error, ErrorReason, Result};

/// How often the buckets of quiet callers are dropped, which bounds the memory.
pub(super) const FORGET_INTERVAL: Duration = Duration::from_secs(10);
/// A service calls for all of its users at once: its quota is this many times a user's.
const SERVICE_FACTOR: u32 = 20;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    User(Uuid),
    Service(String),
    Peer(IpAddr),
}

/// A token bucket per caller (GCRA): user, service, or address of a caller without a session.
pub(super) struct RateLimit {
    clients: DefaultKeyedRateLimiter<Key>,
    services: DefaultKeyedRateLimiter<Key>,
    clock: DefaultClock,
}

impl RateLimit {
    pub(super) fn new(options: &LimitOptions) -> Self {
        let quota = |factor: u32| {
            let per_second = NonZeroU32::MIN
                .saturating_add(options.requests_per_second.saturating_mul(factor).saturating_sub(1));
            let burst = NonZeroU32::MIN
                .saturating_add(options.request_burst.saturating_mul(factor).saturating_sub(1));
            Quota::per_second(per_second).allow_burst(burst)
        };
        Self {
            clients: RateLimiter::keyed(quota(1)),
            services: RateLimiter::keyed(quota(SERVICE_FACTOR)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one call.
    pub(super) fn admit(&self, caller: &Caller, peer: IpAddr) -> Result<()> {
        let (buckets, key) = match caller {
            Caller::User(session) => (&self.clients, Key::User(session.user_id)),
            Caller::Service(name) => (&self.services, Key::Service(name.clone())),
            Caller::Anonymous => (&self.clients, Key::Peer(network_of(peer))),
        };
        buckets.check_key(&key).map_err(|refusal| Error::Exhausted {
            reason: ErrorReason::RateLimited,
            message: "too many calls; slow down",
            retry_after: refusal.wait_time_from(self.clock.now()),
        })
    }

    /// Drops the buckets that are full again.
    pub(super) fn forget_quiet_callers(&self) {
        for buckets in [&self.clients, &self.services] {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> RateLimit {
        RateLimit::new(&LimitOptions { requests_per_second: 1, request_burst: 2, ..LimitOptions::default() })
    }

    #[test]
    fn a_burst_is_allowed_and_then_refused_with_a_time_to_wait() {
        let (limit, peer) = (limit(), "192.0.2.1".parse().unwrap());
        assert!(limit.admit(&Caller::Anonymous, peer).is_ok());
        assert!(limit.admit(&Caller::Anonymous, peer).is_ok());
        match limit.admit(&Caller::Anonymous, peer) {
            Err(Error::Exhausted { reason: ErrorReason::RateLimited, retry_after, .. }) => {
                assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(1));
            }
            other => panic!("{other:?}"),
        }
        assert!(limit.admit(&Caller::Anonymous, "192.0.2.2".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_service_may_do_more_than_a_user() {
        let (limit, peer) = (limit(), "192.0.2.1".parse().unwrap());
        for _ in 0..2 * SERVICE_FACTOR {
            assert!(limit.admit(&Caller::Service("task".into()), peer).is_ok());
        }
        assert!(limit.admit(&Caller::Service("task".into()), peer).is_err());
    }
}
