//! A log of slow statements.

use std::time::{Duration, Instant};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use crate::telemetry;

/// Longest part of a statement in a log line, in characters.
const MAX_LOGGED_STATEMENT_CHARS: usize = 1_000;

/// Logs the statements of one connection that take long. What runs on a connection at the same time is measured in
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
