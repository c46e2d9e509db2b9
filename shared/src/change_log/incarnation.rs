//! The incarnation of a database: within one, transaction ids grow, and positions in the change log can be compared.
//!
//! A new incarnation begins when a dump is restored, when a cluster is recovered to a point in time, and when a replica
//! is promoted: changes after that point may be missing, and their transaction ids are used again. A reader with a position
//! of another incarnation must start from a snapshot.

/// SQL for the incarnation of the database that this schema is in, as a number that is not negative: a hash over the
/// cluster's identity, the database, the oid of the log's table (restoring changes it) and the timeline.
pub(super) fn of(schema: &str) -> String {
    format!(
        "(SELECT hashtextextended(concat_ws('/', s.system_identifier, d.oid, '{schema}.change_log'::regclass::oid, \
         left(pg_walfile_name(pg_current_wal_lsn()), 8)), 0) & 9223372036854775807 \
         FROM pg_control_system() s, pg_database d WHERE d.datname = current_database())"
    )
}
