//! The limit on tokens that turn out to be unknown, per peer: each costs a look-up in Redis and at the session source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::caller::network_of;
use crate::error::{Error, ErrorReason, Result};

/// Attempts that a peer may have open or failed at once, as a multiple of those per second.
const BURST_FACTOR: f64 = 5.0;

/// A token bucket per peer, from which only failed and open look-ups take.
#[derive(Clone)]
pub(super) struct FailureLimit {
    per_second: f64,
    peers: Arc<Mutex<HashMap<IpAddr, Bucket>>>,
}

struct Bucket {
    left: f64,
    updated_at: Instant,
}

/// A look-up that has begun. What it took is given back when it is dropped, unless it has failed.
pub(super) struct Attempt {
    limit: FailureLimit,
    peer: IpAddr,
    has_failed: bool,
}

impl FailureLimit {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), peers: Arc::default() }
    }

    /// Takes one from the bucket of the peer.
    pub(super) fn begin(&self, peer: IpAddr) -> Result<Attempt> {
        let (peer, now) = (network_of(peer), Instant::now());
        let mut peers = self.lock();
        let bucket = peers.entry(peer).or_insert(Bucket { left: self.burst(), updated_at: now });
        self.refill(bucket, now);
        if bucket.left < 1.0 {
            return Err(Error::Exhausted {
                reason: ErrorReason::RateLimited,
                message: "too many unknown tokens come from this address; slow down",
                retry_after: Duration::from_secs_f64((1.0 - bucket.left) / self.per_second),
            });
        }
        bucket.left -= 1.0;
        Ok(Attempt { limit: self.clone(), peer, has_failed: false })
    }

    /// Drops the buckets that are full again, which bounds the memory.
    pub(super) fn forget_quiet_peers(&self) {
        let now = Instant::now();
        let mut peers = self.lock();
        peers.retain(|_, bucket| {
            self.refill(bucket, now);
            bucket.left < self.burst()
        });
        peers.shrink_to_fit();
    }

    fn burst(&self) -> f64 {
        self.per_second * BURST_FACTOR
    }

    fn refill(&self, bucket: &mut Bucket, now: Instant) {
        let gained = now.duration_since(bucket.updated_at).as_secs_f64() * self.per_second;
        bucket.left = (bucket.left + gained).min(self.burst());
        bucket.updated_at = now;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Bucket>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The token is unknown: what the attempt took is not given back.
    pub(super) fn fail(mut self) {
        self.has_failed = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.has_failed {
            return;
        }
        let burst = self.limit.burst();
        if let Some(bucket) = self.limit.lock().get_mut(&self.peer) {
            bucket.left = (bucket.left + 1.0).min(burst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_is_refused_after_failures_and_others_are_not() {
        let limit = FailureLimit::new(1);
        for _ in 0..5 {
            limit.begin(peer("2001:db8::1")).unwrap().fail();
        }
        match limit.begin(peer("2001:db8::2")).err() {
            Some(Error::Exhausted { reason: ErrorReason::RateLimited, retry_after, .. }) => {
                assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(1));
            }
            other => panic!("{other:?}"),
        }
        assert!(limit.begin(peer("192.0.2.1")).is_ok());
    }

    #[test]
    fn a_known_token_costs_nothing_but_open_look_ups_count() {
        let limit = FailureLimit::new(1);
        for _ in 0..100 {
            drop(limit.begin(peer("192.0.2.1")).unwrap());
        }
        let open: Vec<_> = (0..5).map(|_| limit.begin(peer("192.0.2.1")).unwrap()).collect();
        assert!(limit.begin(peer("192.0.2.1")).is_err());
        drop(open);
        assert!(limit.begin(peer("192.0.2.1")).is_ok());
    }

    #[test]
    fn quiet_peers_are_forgotten() {
        let limit = FailureLimit::new(1);
        drop(limit.begin(peer("192.0.2.1")).unwrap());
        limit.begin(peer("192.0.2.2")).unwrap().fail();
        limit.forget_quiet_peers();
        assert_eq!(limit.lock().len(), 1);
    }
}
