//! The connections that a server may have, those of each address, and those that are kept for services and operators.
//!
//! Who connects is known once a call is signed. So a connection for which strangers have no room left comes into the
//! reserved part on probation: it is closed soon unless its calls are signed, and at once when there are newer ones.
//! Meanwhile it answers questions for health, so that a server with too many clients is not taken for a dead one.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::client_address::ClientAddress;
use super::shares::{Owner, Permit, Shares};
use crate::config::{LimitOptions, ShareLimits};

/// How long a connection in the reserved part may take until its first signed call has arrived, TLS included.
const PROBATION_TIME: Duration = Duration::from_secs(3);
/// The part of the reserved connections that may be on probation, and the part of these that may be of one address.
const PROBATION_DIVISOR: u64 = 2;
const PROBATION_PEER_DIVISOR: usize = 4;

/// The places of a server's connections.
pub(super) struct ConnectionLimits {
    shares: Shares,
    clients: ClientAddress,
    probation: Arc<Probation>,
}

/// The connections on probation.
struct Probation {
    max_connections: usize,
    /// The oldest first.
    connections: Mutex<Vec<(Owner, CancellationToken)>>,
}

/// The place of one connection, which is given back when it is dropped.
pub(super) struct ConnectionPlace {
    shares: Shares,
    /// None while the connection is on probation.
    share: Mutex<Option<Permit>>,
    /// Cancelled when a newer connection on probation takes its place.
    replaced: CancellationToken,
    probation: Arc<Probation>,
}

impl ConnectionLimits {
    /// At most `allowed` connections, for which the process has file descriptors.
    pub(super) fn new(limits: &LimitOptions, allowed: u64, clients: ClientAddress) -> Self {
        let of_all = ShareLimits::of(allowed.clamp(1, limits.max_connections.into()));
        let on_probation = of_all.reserved.div_ceil(PROBATION_DIVISOR);
        let limits = ShareLimits {
            total: of_all.total - on_probation,
            reserved: of_all.reserved - on_probation,
            per_peer: limits.max_connections_per_peer.into(),
            ..of_all
        };
        let max_connections = usize::try_from(on_probation).unwrap_or_default();
        let probation = Arc::new(Probation { max_connections, connections: Mutex::default() });
        Self { shares: Shares::new(limits), clients, probation }
    }

    /// A place for a connection of this address, if there is one.
    pub(super) fn take(&self, address: IpAddr) -> Option<ConnectionPlace> {
        let peer = Owner::peer(address);
        // A proxy that we trust has the connections of many clients.
        let owner = if self.clients.trusts(address) { Owner::Proxy } else { peer };
        let share = self.shares.take(owner, 1);
        let replaced = match share {
            Some(_) => CancellationToken::new(),
            None => self.probation.begin(peer)?,
        };
        let (shares, probation) = (self.shares.clone(), self.probation.clone());
        Some(ConnectionPlace { shares, share: Mutex::new(share), replaced, probation })
    }
}

impl ConnectionPlace {
    /// Whether it may only be used for signed calls.
    pub(super) fn is_on_probation(&self) -> bool {
        self.share().is_none()
    }

    /// A service or an operator has signed a call: from now on the connection is theirs and takes no stranger's place. If
    /// principals have all of theirs, it stays what it is.
    pub(super) fn give_to_principal(&self) {
        let mut share = self.share();
        if share.as_ref().is_some_and(|share| !matches!(share.owner(), Owner::Peer(_))) {
            return;
        }
        if let Some(own) = self.shares.take(Owner::Principal, 1)
            && share.replace(own).is_none()
        {
            self.probation.end(&self.replaced);
        }
    }

    /// Completes when the connection must be closed: its probation has ended, or a newer one needs the place.
    pub(super) async fn lost(&self) {
        if self.is_on_probation() {
            tokio::select! {
                () = tokio::time::sleep(PROBATION_TIME) => {}
                () = self.replaced.cancelled() => {}
            }
        }
        if !self.is_on_probation() {
            std::future::pending().await
        }
    }

    fn share(&self) -> MutexGuard<'_, Option<Permit>> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        if self.is_on_probation() {
            self.probation.end(&self.replaced);
        }
    }
}

impl Probation {
    /// Begins the probation of a connection, which ends that of an older one where there are too many: one of the same
    /// address if it has its part, so that a single address replaces its own. Nothing if there are no reserved places.
    fn begin(&self, peer: Owner) -> Option<CancellationToken> {
        let max_per_peer = self.max_connections.div_ceil(PROBATION_PEER_DIVISOR);
        let mut connections = self.lock();
        let own = connections.iter().filter(|(owner, _)| *owner == peer).count();
        let surplus = match own >= max_per_peer {
            true => connections.iter().position(|(owner, _)| *owner == peer),
            false => (connections.len() >= self.max_connections).then_some(0),
        };
        if let Some(oldest) = surplus.filter(|oldest| *oldest < connections.len()) {
            connections.remove(oldest).1.cancel();
        }
        let replaced = CancellationToken::new();
        (self.max_connections > 0).then(|| {
            connections.push((peer, replaced.clone()));
            replaced
        })
    }

    fn end(&self, ended: &CancellationToken) {
        self.lock().retain(|(_, replaced)| replaced != ended);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Owner, CancellationToken)>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::config::ProxyOptions;

    /// Of 48 connections, 42 are open to all, 3 are for principals, 3 on probation; one address has 14, and 1 on probation.
    fn places() -> ConnectionLimits {
        let limits =
            LimitOptions { max_connections: 48, max_connections_per_peer: 14, ..LimitOptions::default() };
        let proxies =
            ProxyOptions { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..ProxyOptions::default() };
        ConnectionLimits::new(&limits, 48, ClientAddress::new(&proxies))
    }

    fn take(places: &ConnectionLimits, address: &str, count: usize) -> Vec<ConnectionPlace> {
        (0..count).map(|_| places.take(address.parse().unwrap()).unwrap()).collect()
    }

    fn on_probation(connections: &[ConnectionPlace]) -> usize {
        connections
            .iter()
            .filter(|place| place.lost().now_or_never().is_none() && place.is_on_probation())
            .count()
    }

    #[tokio::test]
    async fn an_address_over_its_limit_replaces_its_own_connections_on_probation() {
        let places = places();
        let first = take(&places, "192.0.2.1", 20);
        let others = [take(&places, "192.0.2.2", 15), take(&places, "192.0.2.3", 15)];
        assert_eq!([&first, &others[0], &others[1]].map(|held| on_probation(held)), [1, 1, 1]);
        let newest = take(&places, "192.0.2.1", 1);
        assert_eq!([&first, &newest, &others[0]].map(|held| on_probation(held)), [0, 1, 1]);
        // From a fourth address, it replaces the oldest of all.
        let fourth = take(&places, "192.0.2.4", 1);
        assert_eq!([&others[0], &others[1], &newest, &fourth].map(|held| on_probation(held)), [0, 1, 1, 1]);
    }

    #[tokio::test]
    async fn a_connection_of_a_principal_takes_a_reserved_place_and_keeps_it() {
        let places = places();
        let held = take(&places, "192.0.2.1", 15);
        let place = held.last().unwrap();
        assert!(place.is_on_probation());
        place.give_to_principal();
        assert!(!place.is_on_probation());
        let _newer = take(&places, "192.0.2.1", 5);
        assert!(place.lost().now_or_never().is_none(), "it is closed");
        // One within the limit leaves its place to others.
        held[0].give_to_principal();
        assert!(!take(&places, "192.0.2.1", 1)[0].is_on_probation());
    }

    #[tokio::test]
    async fn a_trusted_proxy_has_no_limit_of_its_own_and_no_reserved_place() {
        let places = places();
        let held = take(&places, "10.0.0.1", 43);
        assert_eq!(held.iter().filter(|place| place.is_on_probation()).count(), 1);
    }
}
