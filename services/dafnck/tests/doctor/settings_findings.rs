//! Settings that servers should not have, on servers that have them.

use crate::harness::harness;
use dafnck::doctor::Level;

use super::Fixture;

const CHECK: &str = "configuration";

/// The first words of what is found.
fn begins(found: &(Level, String), level: Level, words: &str) {
    assert!(found.0 == level && found.1.starts_with(words), "{found:?}, and not {words}");
}

#[tokio::test]
async fn a_postgresql_that_may_lose_what_it_has_written_is_reported() {
    let fixture = Fixture::of(harness().start_durable_alone().await).await;
    assert_eq!(fixture.findings_of(CHECK).await, []);
    for (setting, value, level, words) in [
        ("fsync", "off", Level::Critical, "fsync is off"),
        ("full_page_writes", "off", Level::Critical, "full_page_writes is off"),
        ("synchronous_commit", "off", Level::Warning, "synchronous_commit is off"),
        ("row_security", "off", Level::Critical, "row_security is off"),
        ("password_encryption", "md5", Level::Warning, "new passwords are stored by md5"),
    ] {
        fixture.change(&format!("ALTER SYSTEM SET {setting} = {value}")).await;
        fixture.change("SELECT pg_reload_conf()").await;
        let found = until_found(&fixture).await;
        let [found] = found.as_slice() else { panic!("{setting}: {found:?}") };
        begins(found, level, words);
        fixture.change(&format!("ALTER SYSTEM RESET {setting}")).await;
        fixture.change("SELECT pg_reload_conf()").await;
        while !fixture.findings_of(CHECK).await.is_empty() {}
    }
}

/// The processes of PostgreSQL read their settings again within moments.
async fn until_found(fixture: &Fixture) -> Vec<(Level, String)> {
    loop {
        let found = fixture.findings_of(CHECK).await;
        if !found.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_log_that_no_backup_gets_is_reported() {
    let fixture = Fixture::of(harness().start_durable_alone().await).await;
    fixture.change("SELECT pg_drop_replication_slot('barman')").await;
    let [found] = fixture.findings_of(CHECK).await.try_into().unwrap();
    begins(&found, Level::Critical, "nothing keeps WAL for the backup");

    let servers = fixture.suite.servers.as_ref().unwrap();
    let again = async |settings: &[&str]| {
        for setting in settings {
            fixture.change(&format!("ALTER SYSTEM SET {setting}")).await;
        }
        servers.stop_postgres().await.unwrap();
        servers.start_postgres().await.unwrap();
    };
    again(&["wal_level = minimal", "max_wal_senders = 0"]).await;
    let [found] = fixture.findings_of(CHECK).await.try_into().unwrap();
    begins(&found, Level::Critical, "wal_level is minimal");

    again(&["wal_level = replica", "archive_mode = on", "archive_command = 'false'"]).await;
    fixture.change("SELECT pg_switch_wal()").await;
    let [found] = until_found(&fixture).await.try_into().unwrap();
    begins(&found, Level::Critical, "WAL is not archived: 0000");
}

#[tokio::test]
async fn a_redis_that_keeps_nothing_or_gives_up_what_is_in_use_is_reported() {
    let fixture = Fixture::of(harness().start_durable_alone().await).await;
    let set = async |name: &str, value: &str| {
        let redis = fixture.suite.redis();
        let mut command = redis::cmd("CONFIG");
        let _set: String = redis.query(command.arg("SET").arg(name).arg(value)).await.unwrap();
    };
    set("maxmemory-policy", "allkeys-lru").await;
    let [found] = fixture.findings_of(CHECK).await.try_into().unwrap();
    begins(&found, Level::Warning, "Redis evicts also what is in use");
    set("maxmemory-policy", "volatile-lru").await;
    assert_eq!(fixture.findings_of(CHECK).await, []);
    set("appendonly", "no").await;
    assert_eq!(fixture.findings_of(CHECK).await, [], "it is saved from time to time");
    set("save", "").await;
    let [found] = fixture.findings_of(CHECK).await.try_into().unwrap();
    begins(&found, Level::Warning, "Redis keeps nothing on disk");
}
