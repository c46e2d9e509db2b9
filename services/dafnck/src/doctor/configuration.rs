//! Whether the servers have the settings that the suite counts on: what is written lasts, nobody listens, there are connections
//! for everybody, and a backup gets its log.

use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::config::DEFAULT_DATABASE_POOL_SIZE;
use shared::service::WORKER_POOL_SIZE;

use super::Finding;
use crate::administration::table_exists;
use crate::services::migration_sets;

const CHECK: &str = "configuration";

/// What PostgreSQL says of itself.
#[derive(Clone, QueryableByName)]
struct Settings {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Bool)]
    fsync: bool,
    #[diesel(sql_type = Bool)]
    full_page_writes: bool,
    #[diesel(sql_type = Text)]
    synchronous_commit: String,
    #[diesel(sql_type = Bool)]
    row_security: bool,
    #[diesel(sql_type = Text)]
    password_encryption: String,
    /// Whether this connection is encrypted, and whether it leaves the machine.
    #[diesel(sql_type = Bool)]
    is_encrypted: bool,
    #[diesel(sql_type = Bool)]
    is_far: bool,
    /// Connections that roles like those of the services may take.
    #[diesel(sql_type = BigInt)]
    connections: i64,
    #[diesel(sql_type = Text)]
    wal_level: String,
    #[diesel(sql_type = BigInt)]
    slots: i64,
    #[diesel(sql_type = Bool)]
    is_archived: bool,
    /// Why the archive has not taken what came last.
    #[diesel(sql_type = Nullable<Text>)]
    archive_failure: Option<String>,
}

const SETTINGS: &str = "SELECT current_setting('server_version') AS version, \
    current_setting('fsync')::boolean AS fsync, \
    current_setting('full_page_writes')::boolean AS full_page_writes, \
    current_setting('synchronous_commit') AS synchronous_commit, \
    current_setting('row_security')::boolean AS row_security, \
    current_setting('password_encryption') AS password_encryption, \
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE) AS is_encrypted, \
    coalesce(NOT (inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1'), FALSE) AS is_far, \
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint \
        - current_setting('reserved_connections')::bigint AS connections, \
    current_setting('wal_level') AS wal_level, \
    (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical') AS slots, \
    current_setting('archive_mode') <> 'off' AS is_archived, \
    (SELECT last_failed_wal || ' failed at ' || to_char(last_failed_time, 'YYYY-MM-DD HH24:MI') FROM pg_stat_archiver \
        WHERE last_failed_time > coalesce(last_archived_time, '-infinity')) AS archive_failure";

/// The settings of PostgreSQL; `is_backed_up` if somebody is to take its log.
pub(super) async fn postgres(
    conn: &mut AsyncPgConnection,
    is_backed_up: bool,
) -> anyhow::Result<Vec<Finding>> {
    let mut services = 0;
    for set in migration_sets() {
        services += i64::from(table_exists(conn, &format!("{}.schema_migrations", set.name)).await?);
    }
    let settings: Settings = sql_query(SETTINGS).get_result(conn).await?;
    let mut findings = lasting(&settings);
    findings.extend(access(&settings));
    findings.extend(room(&settings, services));
    findings.extend(log(&settings, is_backed_up));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, summary(&settings)));
    }
    Ok(findings)
}

fn summary(settings: &Settings) -> String {
    let Settings { version, connections, wal_level, .. } = settings;
    let wire = match (settings.is_encrypted, settings.is_far) {
        (true, _) => "TLS",
        (false, true) => "plain text",
        (false, false) => "plain text within the machine",
    };
    format!("PostgreSQL {version}: writes last, {connections} connections, {wire}, wal_level {wal_level}")
}

/// Whether what was acknowledged is there after the machine has crashed.
fn lasting(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, is_on) in [("fsync", settings.fsync), ("full_page_writes", settings.full_page_writes)] {
        if !is_on {
            let message = format!("{name} is off: a crash of the machine destroys the database");
            findings.push(Finding::critical(CHECK, message, format!("{name} = on, and make a backup")));
        }
    }
    if settings.synchronous_commit == "off" {
        let message = "synchronous_commit is off: a crash loses what was acknowledged an instant before";
        findings.push(Finding::warning(CHECK, message, "synchronous_commit = on"));
    }
    findings
}

/// Whether only those get to see rows who may.
fn access(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !settings.row_security {
        let message = "row_security is off: PostgreSQL refuses the services' queries";
        findings.push(Finding::critical(CHECK, message, "row_security = on"));
    }
    if settings.is_far && !settings.is_encrypted {
        let message = "the connection leaves the machine in plain text";
        let hint = "ssl = on, and sslmode=verify-full in every URL; within one's own machine it is no matter";
        findings.push(Finding::warning(CHECK, message, hint));
    }
    if settings.password_encryption != "scram-sha-256" {
        let message = format!("new passwords are stored by {}", settings.password_encryption);
        let hint = "password_encryption = 'scram-sha-256', then set the passwords again (`dafnck migrate up --role-passwords`)";
        findings.push(Finding::warning(CHECK, message, hint));
    }
    findings
}

/// Whether each service can have its pools at the sizes that they have unless told otherwise.
fn room(settings: &Settings, services: i64) -> Option<Finding> {
    let wanted = services * i64::from(DEFAULT_DATABASE_POOL_SIZE + WORKER_POOL_SIZE);
    (settings.connections < wanted).then(|| {
        let message = format!(
            "{} connections are allowed, and the pools of {services} services take up to {wanted}",
            settings.connections
        );
        Finding::warning(CHECK, message, "raise max_connections, or put PgBouncer in front")
    })
}

/// Whether WAL gets to where it is backed up.
fn log(settings: &Settings, is_backed_up: bool) -> Option<Finding> {
    if let Some(failure) = settings.archive_failure.as_ref().filter(|_| settings.is_archived) {
        let message = format!("WAL is not archived: {failure}");
        return Some(Finding::critical(
            CHECK,
            message,
            "see archive_command; what is not archived fills the disk",
        ));
    }
    if !is_backed_up || settings.is_archived {
        return None;
    }
    if settings.wal_level == "minimal" {
        let message = "wal_level is minimal: WAL is of no use for a backup";
        return Some(Finding::critical(CHECK, message, "wal_level = replica, and make a base backup"));
    }
    (settings.slots == 0).then(|| {
        let message = "nothing keeps WAL for the backup: there is no slot, and archive_mode is off";
        Finding::critical(
            CHECK,
            message,
            "start the suite, whose backup makes the slot again, or run `dafnck backup`",
        )
    })
}

/// What Redis says of itself (`INFO`), and its setting `save`, where it may be asked for it.
pub(super) fn redis(info: &str, save: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if info.contains("maxmemory_policy:allkeys") {
        let message = "Redis evicts also what is in use: its policy takes any key when memory is short";
        findings.push(Finding::warning(CHECK, message, "maxmemory-policy volatile-lru, as in deploy/redis"));
    }
    let is_logged = info.contains("aof_enabled:1");
    if !is_logged && save.is_some_and(str::is_empty) {
        let message = "Redis keeps nothing on disk: after a restart attempts are counted again, and it is slow until it is full";
        findings.push(Finding::warning(CHECK, message, "appendonly yes, as in deploy/redis"));
    }
    if findings.is_empty() {
        let kept = match (is_logged, save) {
            (true, _) => "has a log on disk",
            (false, Some(_)) => "is saved to disk from time to time",
            (false, None) => "has no log on disk, and does not tell whether it is saved",
        };
        findings.push(Finding::ok(CHECK, format!("Redis {kept}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn good() -> Settings {
        Settings {
            version: "18.6".to_owned(),
            fsync: true,
            full_page_writes: true,
            synchronous_commit: "on".to_owned(),
            row_security: true,
            password_encryption: "scram-sha-256".to_owned(),
            is_encrypted: false,
            is_far: false,
            connections: 97,
            wal_level: "replica".to_owned(),
            slots: 0,
            is_archived: false,
            archive_failure: None,
        }
    }

    #[test]
    fn plain_text_is_told_where_it_leaves_the_machine() {
        let found = |is_far, is_encrypted| access(&Settings { is_far, is_encrypted, ..good() }).len();
        assert_eq!([found(false, false), found(true, true), found(true, false)], [0, 0, 1]);
    }

    #[test]
    fn connections_are_to_suffice_for_the_pools_of_the_services_that_are_here() {
        assert_eq!(room(&good(), 4), None);
        let few = Settings { connections: 79, ..good() };
        assert_eq!(room(&few, 1), None);
        let found = room(&few, 4).unwrap();
        assert_eq!(found.message, "79 connections are allowed, and the pools of 4 services take up to 80");
    }

    #[test]
    fn a_log_that_nobody_takes_is_told_where_there_is_a_backup() {
        assert_eq!(log(&good(), false), None);
        assert_eq!(log(&Settings { slots: 1, ..good() }, true), None);
        assert_eq!(log(&Settings { is_archived: true, ..good() }, true), None);
        assert_eq!(log(&good(), true).unwrap().level, Level::Critical);
        let failed = Settings { archive_failure: Some("x".to_owned()), is_archived: true, ..good() };
        assert_eq!(log(&failed, false).unwrap().message, "WAL is not archived: x");
    }
}
