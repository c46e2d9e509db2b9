//! Limits how many costly calls one caller has running, so that it cannot take the processors and all connections to
//! PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::shares::Owner;
use crate::error::{Error, Result};

/// Costly calls that one user has running in a process. Further ones wait for these, up to their deadline.
const MAX_RUNNING_PER_USER: usize = 2;
/// As many callers without a session at one address.
const MAX_RUNNING_PER_PEER: usize = 1;
/// Services and operators have many users behind them.
const MAX_RUNNING_FOR_PRINCIPALS: usize = 16;
/// How long a caller who asks for nothing is remembered: longer than any call waits.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Callers that are remembered.
const MAX_CALLERS: u64 = 100_000;

/// The slots of all callers.
pub(super) struct CallerSlots(Cache<Owner, Arc<Semaphore>>);

impl Default for CallerSlots {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_CALLERS).time_to_idle(IDLE_TIME).build())
    }
}

impl CallerSlots {
    /// Waits for a slot of this caller.
    ///
    /// # Errors
    /// None in practice: slots are never closed.
    pub(super) async fn acquire(&self, owner: Owner) -> Result<OwnedSemaphorePermit> {
        let max_running = match owner {
            Owner::Caller(_) => MAX_RUNNING_PER_USER,
            Owner::Peer(_) => MAX_RUNNING_PER_PEER,
            Owner::Principal => MAX_RUNNING_FOR_PRINCIPALS,
        };
        let slots = self.0.get_with(owner, async { Arc::new(Semaphore::new(max_running)) }).await;
        slots.acquire_owned().await.map_err(Error::internal)
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
