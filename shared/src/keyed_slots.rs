//! Slots that are counted for each key, as for each user: who has taken theirs waits for themselves.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a key that takes no slot is remembered: longer than any slot is held or waited for.
const IDLE_TIME: Duration = Duration::from_secs(120);
/// Keys that are remembered.
const MAX_KEYS: u64 = 100_000;

/// The slots of all keys.
#[derive(Clone)]
pub(crate) struct KeyedSlots<K>(Cache<K, Arc<Semaphore>>);

impl<K: Hash + Eq + Send + Sync + 'static> Default for KeyedSlots<K> {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_KEYS).time_to_idle(IDLE_TIME).build())
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> KeyedSlots<K> {
    /// Waits for one of the slots of this key, which has so many.
    pub(crate) async fn acquire(&self, key: K, count: usize) -> Option<OwnedSemaphorePermit> {
        let slots = self.0.get_with(key, async { Arc::new(Semaphore::new(count)) }).await;
        // They are never closed.
        slots.acquire_owned().await.ok()
    }
}
