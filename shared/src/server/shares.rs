//! A resource of the server that callers share fairly: calls, streams, bytes in memory.
//!
//! Each address and each user has a limit, so that nobody can take everything, and a part is for services and operators
//! alone, so that the suite goes on working when others have taken the rest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::caller::network_of;
use crate::config::ShareLimits;

/// Who takes a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// A service or an operator.
    Principal,
    /// Everybody else, by address.
    Peer(IpAddr),
    /// A proxy that we trust, for the connections of its clients.
    Proxy,
    /// A user, whose share is also counted by address.
    Caller(Uuid),
}

impl Owner {
    /// The owner for a client address.
    pub(super) fn peer(address: IpAddr) -> Self {
        Self::Peer(network_of(address))
    }
}

/// A shared resource.
#[derive(Clone)]
pub(super) struct Shares(Arc<Inner>);

struct Inner {
    limits: ShareLimits,
    used: Mutex<Usage>,
}

#[derive(Default)]
struct Usage {
    /// By everybody.
    total: u64,
    /// By all but services and operators.
    by_peers: u64,
    by_owner: HashMap<Owner, u64>,
}

/// A part of the resource, which is given back when it is dropped.
pub(super) struct Permit {
    shares: Shares,
    owner: Owner,
    amount: u64,
}

impl Shares {
    pub(super) fn new(limits: ShareLimits) -> Self {
        Self(Arc::new(Inner { limits, used: Mutex::default() }))
    }

    /// Takes a share, or nothing if it would exceed a limit. It never waits: waiting would only add to the load.
    pub(super) fn take(&self, owner: Owner, amount: u64) -> Option<Permit> {
        let mut share = Permit { shares: self.clone(), owner, amount: 0 };
        share.resize(amount).then_some(share)
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Who has it.
    pub(super) fn owner(&self) -> Owner {
        self.owner
    }

    /// Changes the amount; returns whether the limits allow it.
    pub(super) fn resize(&mut self, amount: u64) -> bool {
        let mut used = self.shares.lock();
        if amount > self.amount && !used.has_room(&self.shares.0.limits, self.owner, amount - self.amount) {
            return false;
        }
        used.replace(self.owner, self.amount, amount);
        self.amount = amount;
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shares.lock().replace(self.owner, self.amount, 0);
    }
}

impl Usage {
    fn has_room(&self, limits: &ShareLimits, owner: Owner, more: u64) -> bool {
        let own = self.by_owner.get(&owner).copied().unwrap_or_default().saturating_add(more);
        let fits = self.total.saturating_add(more) <= limits.total;
        let open_to_peers = limits.total.saturating_sub(limits.reserved);
        let fits_for_peers = fits && self.by_peers.saturating_add(more) <= open_to_peers;
        match owner {
            Owner::Principal => fits,
            Owner::Peer(_) => fits_for_peers && own <= limits.per_peer,
            Owner::Proxy => fits_for_peers,
            Owner::Caller(_) => own <= limits.per_caller,
        }
    }

    fn replace(&mut self, owner: Owner, old: u64, new: u64) {
        let change = |counter: &mut u64| *counter = counter.saturating_sub(old).saturating_add(new);
        match owner {
            Owner::Principal => change(&mut self.total),
            Owner::Peer(_) | Owner::Proxy => {
                change(&mut self.total);
                change(&mut self.by_peers);
            }
            Owner::Caller(_) => {}
        }
        let own = self.by_owner.entry(owner).or_default();
        change(own);
        // Only owners of something are remembered, which bounds the memory.
        if *own == 0 {
            self.by_owner.remove(&owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> Shares {
        Shares::new(ShareLimits { total: 8, reserved: 2, per_peer: 4, per_caller: 2 })
    }

    fn peer(number: u8) -> Owner {
        Owner::peer(IpAddr::from([192, 0, 2, number]))
    }

    #[test]
    fn a_peer_leaves_room_for_others_and_all_of_them_for_services() {
        let shares = shares();
        let first: Vec<_> = std::iter::from_fn(|| shares.take(peer(1), 1)).collect();
        let second: Vec<_> = std::iter::from_fn(|| shares.take(peer(2), 1)).collect();
        let services: Vec<_> = std::iter::from_fn(|| shares.take(Owner::Principal, 1)).collect();
        assert_eq!([first.len(), second.len(), services.len()], [4, 2, 2]);
        drop(first);
        assert!(shares.take(peer(3), 4).is_some());
    }

    #[test]
    fn a_user_is_limited_wherever_the_calls_come_from() {
        let shares = shares();
        let olga = Owner::Caller(Uuid::from_u128(1));
        let held: Vec<_> = std::iter::from_fn(|| shares.take(olga, 1)).collect();
        assert_eq!(held.len(), 2);
        assert!(shares.take(Owner::Caller(Uuid::from_u128(2)), 1).is_some());
        assert!(shares.take(Owner::Principal, 8).is_some(), "users count by their addresses");
    }

    #[test]
    fn a_share_grows_and_shrinks_within_the_limits_and_leaves_nothing_behind() {
        let shares = shares();
        let mut share = shares.take(peer(1), 1).unwrap();
        assert!(share.resize(4) && !share.resize(5) && share.resize(2));
        assert!(shares.take(peer(1), 3).is_none() && shares.take(peer(1), 2).is_some());
        drop(share);
        let used = shares.lock();
        assert_eq!((used.total, used.by_peers, used.by_owner.len()), (0, 0, 0));
    }

    #[test]
    fn an_ipv6_network_is_one_owner() {
        assert_eq!(Owner::peer("2001:db8::1".parse().unwrap()), Owner::peer("2001:db8::2".parse().unwrap()));
    }
}
