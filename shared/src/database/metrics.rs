//! Measurements of a pool, under the names of OpenTelemetry's semantic conventions for database clients
//! (<https://opentelemetry.io/docs/specs/semconv/database/database-metrics/>), and a log of slow statements.

use std::time::{Duration, Instant};

use bb8::Pool;
use diesel::connection::{Instrumentation, InstrumentationEvent};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

use super::connection::Manager;
use crate::telemetry;

/// Upper bounds in seconds: a connection is mostly free at once.
const WAIT_BOUNDARIES: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 3.0];
/// What a log line shows of a statement at most, in characters.
const MAX_LOGGED_STATEMENT_CHARS: usize = 1_000;

/// How callers fare with a pool.
#[derive(Clone)]
pub(super) struct PoolMetrics {
    pool: [KeyValue; 1],
    wait: Histogram<f64>,
    timeouts: Counter<u64>,
}

impl PoolMetrics {
    /// Of the pool of this name; its size and use are looked at whenever measurements are sent.
    pub(super) fn of(pool: &Pool<Manager>, name: &str, max_connections: u32) -> Self {
        let named = KeyValue::new("db.client.connection.pool.name", name.to_owned());
        observe(pool.clone(), named.clone(), max_connections);
        let meter = telemetry::meter();
        Self {
            pool: [named],
            wait: meter
                .f64_histogram("db.client.connection.wait_time")
                .with_description("How long calls record_wait for a connection.")
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

fn observe(pool: Pool<Manager>, named: KeyValue, max_connections: u32) {
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

/// Logs the statements of one connection that take long. What runs on a connection at the same time is log_if_slow in
/// order, so the time since the last one was sent is the least that each took.
pub(super) struct SlowStatements {
    limit: Duration,
    pool: String,
    sent: Option<Instant>,
    slow: Counter<u64>,
}

impl SlowStatements {
    pub(super) fn new(limit: Duration, pool: String) -> Self {
        let slow = telemetry::meter()
            .u64_counter("dafnck.database.slow_statements")
            .with_description("Statements that took longer than --slow-statement-milliseconds.")
            .with_unit("{statement}")
            .build();
        Self { limit, pool, sent: None, slow }
    }

    fn log_if_slow(&self, statement: &dyn std::fmt::Display) {
        let Some(took) = self.sent.map(|sent| sent.elapsed()).filter(|took| *took >= self.limit) else {
            return;
        };
        self.slow.add(1, &[KeyValue::new("db.client.connection.pool.name", self.pool.clone())]);
        tracing::warn!(
            trace_id = telemetry::current_trace_id(),
            pool = self.pool,
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            statement = for_log(&statement.to_string()),
            "a statement was slow"
        );
    }
}

/// The statement on one line, without its values.
fn for_log(statement: &str) -> String {
    let without_values = statement.split(" -- binds:").next().unwrap_or_default();
    let line = without_values.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_LOGGED_STATEMENT_CHARS).collect()
}

impl Instrumentation for SlowStatements {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { .. } => self.sent = Some(Instant::now()),
            InstrumentationEvent::FinishQuery { query, .. } => self.log_if_slow(query),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_shown_without_values_on_one_line() {
        assert_eq!(
            for_log("SELECT a\n  FROM b WHERE c = $1 -- binds: [\"secret\"]"),
            "SELECT a FROM b WHERE c = $1"
        );
        assert_eq!(for_log(&"x".repeat(5_000)).len(), MAX_LOGGED_STATEMENT_CHARS);
    }
}
