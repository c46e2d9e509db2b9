//! The latest values of observable gauges.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;

use crate::telemetry;

pub(super) struct LatestValues<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for LatestValues<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for LatestValues<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> LatestValues<T> {
    /// A gauge with one value for each, and the attributes that tell them apart.
    pub(super) fn gauge(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        value: impl Fn(&T) -> (i64, [KeyValue; 2]) + Send + Sync + 'static,
    ) {
        let seen = self.clone();
        telemetry::meter()
            .i64_observable_gauge(name)
            .with_description(description)
            .with_unit(unit)
            .with_callback(move |observer| {
                for (value, names) in seen.get().iter().map(&value) {
                    observer.observe(value, &names);
                }
            })
            .build();
    }

    pub(super) fn replace(&self, seen: Vec<T>) {
        *self.get() = seen;
    }

    pub(super) fn get(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
