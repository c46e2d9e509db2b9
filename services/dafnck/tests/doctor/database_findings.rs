//! What a database can have.

use crate::harness::harness;
use dafnck::services::REFERENCES;
use std::time::Duration;

use dafnck::doctor::{Level, Thresholds, examine};
use diesel_async::SimpleAsyncConnection;
use shared::migrate;
use testkit::create_empty_database;

use super::{Fixture, only};

#[tokio::test]
async fn a_missing_migration_is_named() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    migrate::down(&fixture.suite.admin_url, &REFERENCES, 0).await.unwrap();
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!(
        (level, check, message.as_str()),
        (Level::Critical, "migrations", "missing: references/0001_foreign_keys")
    );
}

#[tokio::test]
async fn a_transaction_that_is_open_for_long_is_named_with_what_it_holds_up() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    let mut forgotten = fixture.suite.admin().await;
    forgotten.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    let strict = Thresholds { long_transaction: Duration::ZERO, ..Thresholds::default() };
    let findings = examine(&fixture.places, &strict).await;
    let found = findings.iter().find(|finding| finding.check == "transactions").unwrap();
    assert_eq!(found.level, Level::Critical);
    assert!(
        found.message.contains("idle in transaction") && found.message.contains("holds up every feed"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_transaction_that_was_prepared_and_forgotten_is_named_with_what_ends_it() {
    let fixture = Fixture::of(harness().start_durable_alone().await).await;
    fixture.change("ALTER SYSTEM SET max_prepared_transactions = 2").await;
    let servers = fixture.suite.servers.as_ref().unwrap();
    servers.stop_postgres().await.unwrap();
    servers.start_postgres().await.unwrap();
    fixture.change("BEGIN; UPDATE task.tasks SET title = title; PREPARE TRANSACTION 'forgotten'").await;

    let strict = Thresholds { long_transaction: Duration::ZERO, ..Thresholds::default() };
    let find = async || {
        let findings = examine(&fixture.places, &strict).await;
        findings.into_iter().find(|found| found.check == "transactions").unwrap()
    };
    let found = find().await;
    assert_eq!(found.level, Level::Critical);
    let message = "prepared transaction 'forgotten' of dafnck_admin in ";
    assert!(found.message.contains(message), "{found:?}");
    assert!(found.hint.as_ref().unwrap().contains("ROLLBACK PREPARED"), "{found:?}");
    fixture.change("ROLLBACK PREPARED 'forgotten'").await;
    let found = find().await;
    assert!(!found.message.contains("prepared transaction"), "it ends it: {found:?}");
}

#[tokio::test]
async fn growth_is_told_by_table_and_a_warning_when_it_is_fast() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    let grown = "INSERT INTO task.idempotency_keys SELECT gen_random_uuid(), 'x', gen_random_uuid(), '\\x00', \
                 gen_random_uuid(), now() FROM generate_series(1, 5000)";
    fixture.change(grown).await;
    let (level, message) = fixture.found("growth", &Thresholds::default()).await;
    assert_eq!(level, Level::Ok);
    assert!(message.starts_with("within 7 days: task.idempotency_keys +"), "{message}");
    assert!(message.contains(" kB"), "{message}");

    fixture
        .change(
            "UPDATE task.table_sizes SET bytes = bytes / 100; UPDATE identity.table_sizes SET bytes = 0; \
        UPDATE project.table_sizes SET bytes = 0; UPDATE content.table_sizes SET bytes = 0",
        )
        .await;
    assert_eq!(
        fixture.found("growth", &Thresholds::default()).await.0,
        Level::Ok,
        "it is little all the same"
    );
    let strict = Thresholds { growth_bytes: 1 << 20, ..Thresholds::default() };
    assert_eq!(fixture.found("growth", &strict).await.0, Level::Warning);
    fixture.change("DELETE FROM task.table_sizes").await;
    fixture.change("UPDATE identity.table_sizes SET bytes = 1 << 30").await;
    let (level, message) = fixture.found("growth", &strict).await;
    assert!(level == Level::Ok && !message.contains("task.") && !message.contains("identity."), "{message}");
}

#[tokio::test]
async fn an_index_that_nobody_uses_and_dead_rows_are_named() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    let strict = Thresholds { unused_index_bytes: 1, dead_rows: 100, ..Thresholds::default() };
    let dead = "ALTER TABLE project.idempotency_keys SET (autovacuum_enabled = off); \
                INSERT INTO project.idempotency_keys SELECT gen_random_uuid(), 'x', gen_random_uuid(), '\\x00', \
                gen_random_uuid(), now() FROM generate_series(1, 500); DELETE FROM project.idempotency_keys;";
    let mut admin = fixture.suite.admin().await;
    admin.batch_execute(dead).await.unwrap();
    admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    let findings = examine(&fixture.places, &strict).await;
    let message =
        |check: &str| findings.iter().find(|finding| finding.check == check).unwrap().message.clone();
    assert!(message("unused indexes").contains("idx_"), "{}", message("unused indexes"));
    assert!(
        message("dead rows").contains("project.idempotency_keys: 500 dead rows"),
        "{}",
        message("dead rows")
    );
}

#[tokio::test]
async fn migrations_that_are_not_these_and_a_database_without_any_are_reported() {
    let mut fixture = Fixture::of(harness().start_durable().await).await;
    fixture.change("UPDATE task.schema_migrations SET checksum = 'other' WHERE version = 1").await;
    let (level, message) = fixture.found("migrations", &Thresholds::default()).await;
    assert_eq!(level, Level::Critical);
    assert!(message.contains("task") && message.contains("0001"), "{message}");

    fixture.places.admin_urls = vec![create_empty_database().await];
    let found = fixture.found("migrations", &Thresholds::default()).await;
    assert_eq!(found, (Level::Critical, "none is applied".to_owned()));
}

#[tokio::test]
async fn a_slot_that_nobody_reads_is_named_with_the_log_that_it_keeps() {
    let fixture = Fixture::of(harness().start_durable_alone().await).await;
    let slot = "SELECT pg_create_physical_replication_slot('forgotten', true)";
    fixture.change(slot).await;
    let found = fixture.found("replication", &Thresholds::default()).await;
    assert_eq!(found, (Level::Ok, "2 readers of WAL keep up".to_owned()));
    // Each turns over a segment of 16 MiB.
    let mut admin = fixture.suite.admin().await;
    for _ in 0..6 {
        admin
            .batch_execute("CREATE TEMPORARY TABLE IF NOT EXISTS t (); SELECT pg_switch_wal()")
            .await
            .unwrap();
        admin.batch_execute("SELECT pg_logical_emit_message(false, 'x', 'x')").await.unwrap();
    }
    let (level, message) = fixture.found("replication", &Thresholds::default()).await;
    assert_eq!(level, Level::Warning, "{message}");
    assert!(message.starts_with("slot forgotten (nobody reads it) is "), "{message}");
}

#[tokio::test]
async fn a_follower_that_stands_still_is_named_with_how_far_it_is_behind() {
    let mut fixture = Fixture::of(harness().start_durable().await).await;
    let olga = fixture.suite.guest("olga").await;
    olga.project("apollo").await;
    fixture.suite.wait_for_open_transactions().await;
    assert_eq!(fixture.found("feeds", &Thresholds::default()).await.0, Level::Ok);
    fixture.suite.stop().await;
    fixture.change("UPDATE project.projects SET name = 'gemini'").await;
    fixture
        .change(
            "UPDATE project.change_log SET changed_at = now() - interval '1 hour' \
             WHERE (transaction_id, position) = (SELECT transaction_id, position FROM project.change_log \
             ORDER BY transaction_id DESC, position DESC LIMIT 1)",
        )
        .await;
    let (level, message) = fixture.found("feeds", &Thresholds::default()).await;
    assert_eq!(level, Level::Critical, "{message}");
    assert!(message.contains("task is 360") && message.contains("content is 360"), "{message}");
}

#[tokio::test]
async fn mail_that_nobody_takes_is_counted() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    fixture
        .change(
            "INSERT INTO identity.mail_outbox (id, kind, recipient, entity_id, expires_at, attempts, next_attempt_at) \
             SELECT gen_random_uuid(), 'x', 'olga@example.org', gen_random_uuid(), later, 3, later \
             FROM generate_series(1, 2), (SELECT now() + interval '1 hour' AS later) AS t",
        )
        .await;
    let found = fixture.found("mail", &Thresholds::default()).await;
    assert_eq!(found, (Level::Warning, "2 mails of identity were tried in vain".to_owned()));
}

#[tokio::test]
async fn maintenance_that_failed_is_overdue_or_never_was_is_reported() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    fixture
        .change(
            "UPDATE task.maintenance_runs SET error = 'no room' WHERE job = 'reindex'; \
             UPDATE project.maintenance_runs SET started_at = now() - interval '3 days'; \
             DELETE FROM content.maintenance_runs",
        )
        .await;
    let found: Vec<String> = fixture.findings().await.into_iter().map(|finding| finding.message).collect();
    // `reindex` is due weekly.
    let expected = [
        "project: measure has not ended well for days",
        "project: analyze has not ended well for days",
        "task: reindex: no room",
        "content: never ran",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn slow_statements_are_quoted_and_it_is_told_when_nobody_counts_them() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    let olga = fixture.suite.guest("olga").await;
    for _ in 0..6 {
        olga.project("apollo").await;
    }
    let strict = Thresholds { slow_statement: Duration::ZERO, ..Thresholds::default() };
    let (level, message) = fixture.found("slow statements", &strict).await;
    assert_eq!(level, Level::Warning);
    assert!(message.contains("ms on average") && message.contains("_service"), "{message}");
    fixture.change("DROP EXTENSION pg_stat_statements").await;
    let found = fixture.found("slow statements", &strict).await;
    assert_eq!(found, (Level::Warning, "nobody counts them".to_owned()));
}
