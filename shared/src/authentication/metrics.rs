//! Metrics of the session cache.

use moka::notification::RemovalCause;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use crate::telemetry;

#[derive(Clone)]
pub(super) struct CacheMetrics {
    lookups: Counter<u64>,
    evictions: Counter<u64>,
}

impl CacheMetrics {
    pub(super) fn new() -> Self {
        let meter = telemetry::meter();
        Self {
            lookups: meter
                .u64_counter("dafnck.session_cache.lookups")
                .with_description("Look-ups of sessions in the cache of this process.")
                .with_unit("{lookup}")
                .build(),
            evictions: meter
                .u64_counter("dafnck.session_cache.evictions")
                .with_description("Sessions that left the cache of this process.")
                .with_unit("{eviction}")
                .build(),
        }
    }

    pub(super) fn record_lookup(&self, was_there: bool) {
        let result = if was_there { "hit" } else { "miss" };
        self.lookups.add(1, &[KeyValue::new("result", result)]);
    }

    pub(super) fn record_eviction(&self, cause: RemovalCause) {
        let cause = match cause {
            RemovalCause::Expired => "expired",
            RemovalCause::Explicit => "revoked",
            RemovalCause::Replaced => "replaced",
            RemovalCause::Size => "size",
        };
        self.evictions.add(1, &[KeyValue::new("cause", cause)]);
    }
}
