//! Metrics of the queue of passwords that wait to be hashed.

use opentelemetry::metrics::{Counter, UpDownCounter};

#[derive(Clone)]
pub(super) struct QueueMetrics {
    length: UpDownCounter<i64>,
    refused: Counter<u64>,
}

impl QueueMetrics {
    pub(super) fn new() -> Self {
        let meter = shared::telemetry::meter();
        Self {
            length: meter
                .i64_up_down_counter("dafnck.login_queue.length")
                .with_description(
                    "Sign-ins, registrations and other calls whose password waits to be hashed.",
                )
                .with_unit("{call}")
                .build(),
            refused: meter
                .u64_counter("dafnck.login_queue.refused")
                .with_description("Calls that were refused because too many waited.")
                .with_unit("{call}")
                .build(),
        }
    }

    pub(super) fn joined(&self) {
        self.length.add(1, &[]);
    }

    pub(super) fn left(&self) {
        self.length.add(-1, &[]);
    }

    pub(super) fn refused(&self) {
        self.refused.add(1, &[]);
    }
}
