//! Metrics of a pool, under the names of OpenTelemetry's semantic conventions for database clients
//! (<https://opentelemetry.io/docs/specs/semconv/database/database-metrics/>).

use std::sync::Arc;
use std::time::Duration;

use bb8::Pool;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

use super::connection::ConnectionManager;
use crate::telemetry;

/// Upper bounds in seconds: a connection is mostly free at once.
const WAIT_BOUNDARIES: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 3.0];

/// The metrics of a pool.
#[derive(Clone)]
pub(super) struct PoolMetrics {
    pool: [KeyValue; 1],
    wait: Histogram<f64>,
    timeouts: Counter<u64>,
}

impl PoolMetrics {
    /// Of the pool of this name; its size and use are read whenever metrics are exported.
    pub(super) fn of(pool: &Pool<ConnectionManager>, name: &str, max_connections: u32) -> Self {
        let named = KeyValue::new("db.client.connection.pool.name", Arc::<str>::from(name));
        observe(pool.clone(), named.clone(), max_connections);
        let meter = telemetry::meter();
        Self {
            pool: [named],
            wait: meter
                .f64_histogram("db.client.connection.wait_time")
                .with_description("How long calls waited for a connection.")
                .with_unit("s")
                .with_boundaries(WAIT_BOUNDARIES.to_vec())
                .build(),
            timeouts: meter
                .u64_counter("db.client.connection.timeouts")
                .with_description("Calls that got no connection in time.")
                .with_unit("{timeout}")
                .build(),
        }
    }

    pub(super) fn record_wait(&self, time: Duration, got_one: bool) {
        self.wait.record(time.as_secs_f64(), &self.pool);
        if !got_one {
            self.timeouts.add(1, &self.pool);
        }
    }
}

fn observe(pool: Pool<ConnectionManager>, named: KeyValue, max_connections: u32) {
    let meter = telemetry::meter();
    let limit = [named.clone()];
    meter
        .i64_observable_up_down_counter("db.client.connection.max")
        .with_description("Connections that the pool may have.")
        .with_unit("{connection}")
        .with_callback(move |observer| observer.observe(max_connections.into(), &limit))
        .build();
    let state = |state: &'static str| [named.clone(), KeyValue::new("db.client.connection.state", state)];
    let (idle, used) = (state("idle"), state("used"));
    meter
        .i64_observable_up_down_counter("db.client.connection.count")
        .with_description("Connections that the pool has.")
        .with_unit("{connection}")
        .with_callback(move |observer| {
            let now = pool.state();
            observer.observe(now.idle_connections.into(), &idle);
            observer.observe(now.connections.saturating_sub(now.idle_connections).into(), &used);
        })
        .build();
}
