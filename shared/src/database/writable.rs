//! Drops the connections that lead to a server that takes no writes: a primary that was demoted, or one that an operator
//! or a provider has set to read-only.
//!
//! A new connection is refused by such a server (`target_session_attrs=read-write`). A connection that is open when the
//! server changes learns it from the first error, or from the readiness check, which asks each second. Then all
//! connections of the pool are renewed: they lead to the same server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::slow_statements::SlowStatements;

/// Fails with SQLSTATE 25006 (`read_only_sql_transaction`) where nothing can be written: on a standby, and where
/// transactions are read-only by default.
pub(super) const REQUIRE_WRITABLE: &str = "DO $$ BEGIN IF current_setting('transaction_read_only')::boolean THEN \
     RAISE SQLSTATE '25006' USING MESSAGE = 'the server is read-only'; END IF; END $$";

/// When the connections of a pool were last found to lead to a read-only server. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadOnlySince(Arc<Mutex<Option<Instant>>>);

impl ReadOnlySince {
    /// Whether a connection that was made at this time may lead to a read-only server.
    pub(super) fn concerns(&self, made_at: Instant) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|found_at| made_at <= found_at)
    }

    fn note(&self, error: &DieselError) {
        if matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            tracing::warn!("PostgreSQL is read-only; its connections are renewed");
        }
    }
}

/// What is noted about the statements of one connection.
pub(super) struct StatementObserver {
    pub(super) slow: SlowStatements,
    pub(super) read_only: ReadOnlySince,
}

impl Instrumentation for StatementObserver {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::FinishQuery { error: Some(error), .. } = &event {
            self.read_only.note(error);
        }
        self.slow.on_connection_event(event);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failure(kind: DatabaseErrorKind) -> DieselError {
        DieselError::DatabaseError(
            kind,
            Box::new("cannot execute INSERT in a read-only transaction".to_owned()),
        )
    }

    #[test]
    fn only_connections_from_before_a_read_only_error_are_concerned() {
        let read_only = ReadOnlySince::default();
        let before = Instant::now();
        read_only.note(&failure(DatabaseErrorKind::UniqueViolation));
        assert!(!read_only.concerns(before));
        read_only.note(&failure(DatabaseErrorKind::ReadOnlyTransaction));
        assert!(read_only.concerns(before));
        let after = Instant::now() + Duration::from_nanos(1);
        assert!(!read_only.concerns(after));
    }
}
