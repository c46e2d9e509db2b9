//! Places in a pool of connections. Calls from outside leave a part of it to services, operators and the service's own
//! work, and those of one user or one address leave a part of theirs to others: statements that take long, or wait for
//! locks, delay only who has sent them.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bb8::PooledConnection;
use opentelemetry::Context;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::connection::{Connection, ConnectionManager};
use crate::caller::network_of;
use crate::keyed_slots::KeyedSlots;

/// The reserved part of a pool: an eighth, and one connection of a small pool.
const RESERVE_DIVISOR: usize = 8;
/// What one user may hold of a pool: a half; and all users at one address: three quarters.
const USER_PARTS: usize = 2;
const PEER_PARTS: usize = 3;
const PARTS: usize = 4;
/// In small pools, it is all but the reserve.
const MIN_OF_OWNER: usize = 3;

/// Who makes a call that neither a service nor an operator makes; in the OpenTelemetry context of the call.
#[derive(Clone, Copy, Debug)]
pub struct OutsideCall {
    /// The address that it comes from.
    pub peer: IpAddr,
    /// The user, if there is a session.
    pub user: Option<Uuid>,
}

/// The places of a pool.
#[derive(Clone)]
pub(super) struct PoolPlaces {
    /// Those that calls from outside share.
    open: Arc<Semaphore>,
    users: KeyedSlots<Uuid>,
    peers: KeyedSlots<IpAddr>,
    max_of_user: usize,
    max_of_peer: usize,
}

/// What a connection takes of them; nothing for a call of a service.
#[derive(Default)]
pub(super) struct PoolPlace {
    _user: Option<OwnedSemaphorePermit>,
    _peer: Option<OwnedSemaphorePermit>,
    _open: Option<OwnedSemaphorePermit>,
}

/// A connection, and its place in the pool.
pub(super) struct PlacedConnection {
    pub(super) connection: PooledConnection<'static, ConnectionManager>,
    pub(super) _place: PoolPlace,
}

impl PoolPlaces {
    pub(super) fn of_pool(max_connections: u32) -> Self {
        let size = usize::try_from(max_connections).unwrap_or(usize::MAX);
        let open = size.saturating_sub((size / RESERVE_DIVISOR).max(1)).max(1);
        let part = |parts: usize| (size.saturating_mul(parts) / PARTS).max(MIN_OF_OWNER);
        Self {
            open: Arc::new(Semaphore::new(open.min(Semaphore::MAX_PERMITS))),
            users: KeyedSlots::default(),
            peers: KeyedSlots::default(),
            max_of_user: part(USER_PARTS),
            max_of_peer: part(PEER_PARTS),
        }
    }

    /// Waits for a place for the current call.
    pub(super) async fn acquire(&self) -> PoolPlace {
        let Some(OutsideCall { peer, user }) = current() else { return PoolPlace::default() };
        let user = match user {
            Some(user) => self.users.acquire(user, self.max_of_user).await,
            None => None,
        };
        let peer = self.peers.acquire(network_of(peer), self.max_of_peer).await;
        PoolPlace { _user: user, _peer: peer, _open: self.acquire_open().await }
    }

    /// Waits for a place for a statement of several calls from outside, of which the current one is the first.
    pub(super) async fn acquire_for_several(&self) -> PoolPlace {
        let open = if current().is_some() { self.acquire_open().await } else { None };
        PoolPlace { _open: open, ..PoolPlace::default() }
    }

    async fn acquire_open(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.open.clone().acquire_owned().await.ok()
    }
}

fn current() -> Option<OutsideCall> {
    Context::map_current(|context| context.get::<OutsideCall>().copied())
}

impl Deref for PlacedConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for PlacedConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use opentelemetry::context::FutureExt as _;

    use super::*;

    /// How many places a call of this user at this address still gets, and holds.
    fn take_all(places: &PoolPlaces, address: u8, user: Option<u128>) -> Vec<PoolPlace> {
        let call = OutsideCall { peer: [192, 0, 2, address].into(), user: user.map(Uuid::from_u128) };
        let take = || places.acquire().with_context(Context::new().with_value(call)).now_or_never();
        std::iter::from_fn(take).collect()
    }

    #[tokio::test]
    async fn users_addresses_and_all_of_them_leave_a_part_of_a_pool() {
        let places = PoolPlaces::of_pool(16);
        let first = take_all(&places, 1, Some(1));
        let second = take_all(&places, 1, Some(2));
        let elsewhere = take_all(&places, 2, None);
        assert_eq!([first.len(), second.len(), elsewhere.len()], [8, 4, 2]);
        assert!(places.acquire().now_or_never().is_some(), "a service waits");
        drop(first);
        assert_eq!(take_all(&places, 2, Some(3)).len(), 8);
    }

    #[tokio::test]
    async fn a_small_pool_reserves_one_connection() {
        for (size, open) in [(1, 1), (2, 1), (4, 3)] {
            assert_eq!(take_all(&PoolPlaces::of_pool(size), 1, Some(1)).len(), open, "of {size}");
        }
    }
}
