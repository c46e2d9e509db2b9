//! The life of a database: what its transaction ids, and so the positions in its change log, are counted in.
//!
//! A dump that is restored, into another cluster or the same, begins another life, and so does a cluster that goes on
//! from a point in its past or from a replica: changes after that point may be missing under ids that are used
//! again. Who goes on from a position of another life is told to start from a snapshot.

/// SQL for the life of the database that this schema is in, as a number that is not negative: a hash over the
/// cluster's identity, the database, the log's own table (a restored one is another) and the timeline.
pub(super) fn of(schema: &str) -> String {
    format!(
        "(SELECT hashtextextended(concat_ws('/', s.system_identifier, d.oid, '{schema}.change_log'::regclass::oid, \
         left(pg_walfile_name(pg_current_wal_lsn()), 8)), 0) & 9223372036854775807 \
         FROM pg_control_system() s, pg_database d WHERE d.datname = current_database())"
    )
}
