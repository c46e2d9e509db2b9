//! Limits how much dear work one caller has done at the same time, so that it cannot take all connections to PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::caller::Caller;
use crate::error::{Error, Result};

/// Calls of a kind that one caller has running in a process. Further ones wait for these, up to their deadline.
const MAX_RUNNING: usize = 2;
/// How long a caller who asks for nothing is remembered: longer than any call waits.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Callers that are remembered.
const MAX_CALLERS: u64 = 100_000;

/// The slots of one kind of call. Callers without a session share theirs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallerSlots(Cache<Uuid, Arc<Semaphore>>);

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
    pub async fn acquire(&self, caller: &Caller) -> Result<OwnedSemaphorePermit> {
        let new = async { Arc::new(Semaphore::new(MAX_RUNNING)) };
        let slots = self.0.get_with(caller.database_user(), new).await;
        slots.acquire_owned().await.map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::caller::Session;

    fn user() -> Caller {
        Caller::User(Session {
            session_id: Uuid::now_v7(),
            user_id: Uuid::now_v7(),
            expires_at: chrono::Utc::now(),
            scopes: None,
        })
    }

    #[tokio::test]
    async fn a_caller_waits_for_their_own_calls_and_for_nobody_elses() {
        let (slots, olga, gus) = (CallerSlots::default(), user(), user());
        let first = slots.acquire(&olga).await.unwrap();
        let _second = slots.acquire(&olga).await.unwrap();
        assert!(slots.acquire(&olga).now_or_never().is_none());
        assert!(slots.acquire(&gus).await.is_ok());
        drop(first);
        assert!(slots.acquire(&olga).await.is_ok());
    }
}
