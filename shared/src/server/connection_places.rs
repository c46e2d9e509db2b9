//! The connections that a server may have, those of each address, and those that are kept for services and operators.
//!
//! Who connects is known once a call is signed. So a connection for which strangers have no room left comes into the
//! reserved part on probation: it is closed soon unless its calls are signed, and at once when there are newer ones.
//! Meanwhile it answers questions for health, so that a server with too many clients is not taken for a dead one.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
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
    share: Mutex<Permit>,
    is_on_probation: AtomicBool,
    /// Cancelled when a newer connection on probation takes its place.
    replaced: CancellationToken,
    probation: Arc<Probation>,
}

impl ConnectionLimits {
    /// At most `allowed` connections, for which the process has file descriptors.
    pub(super) fn new(limits: &LimitOptions, allowed: u64, clients: ClientAddress) -> Self {
        let limits = ShareLimits {
            per_peer: limits.max_connections_per_peer.into(),
            ..ShareLimits::of(allowed.clamp(1, limits.max_connections.into()))
        };
        let max_connections =
            usize::try_from(limits.reserved.div_ceil(PROBATION_DIVISOR)).unwrap_or_default();
        let probation = Arc::new(Probation { max_connections, connections: Mutex::default() });
        Self { shares: Shares::new(limits), clients, probation }
    }

    /// A place for a connection of this address, if there is one.
    pub(super) fn take(&self, address: IpAddr) -> Option<ConnectionPlace> {
        let peer = Owner::peer(address);
        // A proxy that we trust has the connections of many clients.
        let owner = if self.clients.trusts(address) { Owner::Proxy } else { peer };
        if let Some(share) = self.shares.take(owner, 1) {
            return Some(self.place(share, CancellationToken::new(), false));
        }
        let share = self.shares.take(Owner::Principal, 1)?;
        let replaced = self.probation.begin(peer)?;
        Some(self.place(share, replaced, true))
    }

    fn place(&self, share: Permit, replaced: CancellationToken, is_on_probation: bool) -> ConnectionPlace {
        ConnectionPlace {
            shares: self.shares.clone(),
            share: Mutex::new(share),
            is_on_probation: AtomicBool::new(is_on_probation),
            replaced,
            probation: self.probation.clone(),
        }
    }
}

impl ConnectionPlace {
    /// Whether it may only be used for signed calls.
    pub(super) fn is_on_probation(&self) -> bool {
        self.is_on_probation.load(Ordering::Relaxed)
    }

    /// A service or an operator has signed a call: from now on the connection is theirs and takes no stranger's place.
    pub(super) fn give_to_principal(&self) {
        let was_on_probation = self.is_on_probation.swap(false, Ordering::Relaxed);
        let mut share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        if was_on_probation {
            self.probation.end(&self.replaced);
        } else if matches!(share.owner(), Owner::Peer(_))
            && let Some(own) = self.shares.take(Owner::Principal, 1)
        {
            *share = own;
        }
    }

    /// Completes when the connection must be closed: its probation has ended, or a newer one needs the place.
    pub(super) async fn lost(&self) {
        if !self.is_on_probation() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = tokio::time::sleep(PROBATION_TIME) => {}
            () = self.replaced.cancelled() => {}
        }
        if !self.is_on_probation() {
            std::future::pending().await
        }
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
