//! Limits how many costly calls one caller has running, so that it cannot take the processors and all connections to
//! PostgreSQL.

use tokio::sync::OwnedSemaphorePermit;

use super::shares::Owner;
use crate::keyed_slots::KeyedSlots;

/// Costly calls that one user has running in a process. Further ones wait for these, up to their deadline.
const MAX_RUNNING_PER_USER: usize = 2;
/// As many callers without a session at one address.
const MAX_RUNNING_PER_PEER: usize = 1;
/// Services and operators have many users behind them.
const MAX_RUNNING_FOR_PRINCIPALS: usize = 16;

/// The slots of all callers.
#[derive(Default)]
pub(super) struct CallerSlots(KeyedSlots<Owner>);

impl CallerSlots {
    /// Waits for a slot of this caller.
    pub(super) async fn acquire(&self, owner: Owner) -> Option<OwnedSemaphorePermit> {
        let max_running = match owner {
            Owner::Caller(_) => MAX_RUNNING_PER_USER,
            Owner::Peer(_) | Owner::Proxy => MAX_RUNNING_PER_PEER,
            Owner::Principal => MAX_RUNNING_FOR_PRINCIPALS,
        };
        self.0.acquire(owner, max_running).await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_caller_waits_for_their_own_calls_and_for_nobody_elses() {
        let slots = CallerSlots::default();
        let [olga, gus] = [1, 2].map(|id| Owner::Caller(Uuid::from_u128(id)));
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|address| Owner::peer(address.parse().unwrap()));
        let first = slots.acquire(olga).await.unwrap();
        let _second = slots.acquire(olga).await.unwrap();
        assert!(slots.acquire(olga).now_or_never().is_none());
        let _other = slots.acquire(gus).await.unwrap();
        let _anonymous = slots.acquire(here).await.unwrap();
        assert!(slots.acquire(here).now_or_never().is_none());
        let _elsewhere = slots.acquire(there).await.unwrap();
        drop(first);
        let _third = slots.acquire(olga).await.unwrap();
    }
}
