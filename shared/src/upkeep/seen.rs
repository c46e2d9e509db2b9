//! What was last seen, for gauges that are asked for it at any time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Seen<T> {
    pub(super) fn replace(&self, seen: Vec<T>) {
        *self.get() = seen;
    }

    pub(super) fn get(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
