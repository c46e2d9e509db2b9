//! A healthy suite is found well; of a sick one, what ails it is named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use shared::migrate;
use suite::doctor::{Finding, Level, Places, Thresholds, examine};
use suite::maintain::maintain;
use suite::services::Role;
use suite::testing::Suite;
use tempfile::TempDir;

/// A suite that is maintained and backed up.
struct Patient {
    suite: Suite,
    places: Places,
    folder: TempDir,
}

impl Patient {
    async fn of(suite: Suite) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = chrono::Utc::now();
        let status = serde_json::json!({
            "last_backup_at": now, "last_wal_at": now, "last_drill_success_at": now, "last_backup_outcome": "ok",
        });
        std::fs::write(folder.path().join("status.json"), status.to_string()).unwrap();
        suite.admin().await.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await.unwrap();
        maintain(&suite.admin_url, true).await.unwrap();
        let places = Places {
            siblings: suite.siblings.clone(),
            tls_ca: None,
            admin_urls: vec![suite.admin_url.clone()],
            role_urls: Role::ALL.map(|role| (role.name(), suite.options.url_of(role))).into(),
            redis_url: suite.options.redis_url.clone(),
            redis_key_prefix: suite.options.redis_key_prefix.clone(),
            backup_folder: Some(folder.path().to_owned()),
            certificates: Vec::new(),
            folders: Vec::new(),
        };
        Self { suite, places, folder }
    }

    async fn examined(&self) -> Vec<Finding> {
        // The test's machine may be busy: no statement is slow here.
        let patient = Thresholds { slow_statement: Duration::from_secs(60), ..Thresholds::default() };
        examine(&self.places, &patient).await
    }

    async fn ailments(&self) -> Vec<Finding> {
        self.examined().await.into_iter().filter(|finding| finding.level != Level::Ok).collect()
    }
}

/// The one thing that is wrong.
fn only(ailments: Vec<Finding>) -> (Level, &'static str, String) {
    let [finding] = ailments.as_slice() else { panic!("one thing is wrong, not {ailments:#?}") };
    assert!(finding.advice.is_some());
    (finding.level, finding.check, finding.says.clone())
}

/// Makes a certificate that is good for so many days.
fn certificate(folder: &Path, days: u32) -> PathBuf {
    let path = folder.join("certificate.pem");
    let key = folder.join("key.pem");
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=task",
        ])
        .args(["-days", &days.to_string(), "-keyout", key.to_str().unwrap(), "-out", path.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    path
}

#[tokio::test]
async fn a_healthy_suite_is_found_well_and_everything_was_looked_at() {
    let mut patient = Patient::of(Suite::start().await).await;
    patient.places.certificates.push(certificate(patient.folder.path(), 90));
    let findings = patient.examined().await;
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:#?}");
    let mut checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    checks.dedup();
    let all = [
        "service",
        "sign-in",
        "redis",
        "migrations",
        "transactions",
        "replication",
        "limits",
        "feeds",
        "mail",
        "maintenance",
        "slow statements",
        "unused indexes",
        "dead rows",
        "growth",
        "backup",
        "certificate",
    ];
    assert_eq!(checks, all);
}

#[tokio::test]
async fn a_missing_migration_is_named() {
    let patient = Patient::of(Suite::start().await).await;
    migrate::down(&patient.suite.admin_url, &migrate::REFERENCES, 0).await.unwrap();
    let (level, check, says) = only(patient.ailments().await);
    assert_eq!(
        (level, check, says.as_str()),
        (Level::Critical, "migrations", "missing: references/0001_foreign_keys")
    );
}

#[tokio::test]
async fn a_transaction_that_is_open_for_long_is_named_with_what_it_holds_up() {
    let patient = Patient::of(Suite::start().await).await;
    let mut forgotten = patient.suite.admin().await;
    forgotten.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    let strict = Thresholds { long_transaction: Duration::ZERO, ..Thresholds::default() };
    let findings = examine(&patient.places, &strict).await;
    let found = findings.iter().find(|finding| finding.check == "transactions").unwrap();
    assert_eq!(found.level, Level::Critical);
    assert!(
        found.says.contains("idle in transaction") && found.says.contains("holds up every feed"),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_index_that_nobody_uses_and_dead_rows_are_named() {
    let patient = Patient::of(Suite::start().await).await;
    let strict = Thresholds { unused_index_bytes: 1, dead_rows: 100, ..Thresholds::default() };
    let dead = "ALTER TABLE project.idempotency_keys SET (autovacuum_enabled = off); \
                INSERT INTO project.idempotency_keys SELECT gen_random_uuid(), 'x', gen_random_uuid(), '\\x00', \
                gen_random_uuid(), now() FROM generate_series(1, 500); DELETE FROM project.idempotency_keys;";
    let mut admin = patient.suite.admin().await;
    admin.batch_execute(dead).await.unwrap();
    admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    let findings = examine(&patient.places, &strict).await;
    let says = |check: &str| findings.iter().find(|finding| finding.check == check).unwrap().says.clone();
    assert!(says("unused indexes").contains("idx_"), "{}", says("unused indexes"));
    assert!(says("dead rows").contains("project.idempotency_keys: 500 dead rows"), "{}", says("dead rows"));
}

#[tokio::test]
async fn a_certificate_that_is_about_to_end_and_a_missing_backup_are_named() {
    let mut patient = Patient::of(Suite::start().await).await;
    patient.places.certificates.push(certificate(patient.folder.path(), 3));
    let (level, check, says) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "certificate"));
    assert!(says.contains("in 2 days"), "{says}");
    patient.places.certificates.clear();
    std::fs::remove_file(patient.folder.path().join("status.json")).unwrap();
    let (level, check, says) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "backup"));
    assert!(says.contains("there is no backup"), "{says}");
}

#[tokio::test]
async fn a_password_that_no_longer_fits_is_named_with_its_role() {
    let mut patient = Patient::of(Suite::start().await).await;
    let (_, url) = patient.places.role_urls.last_mut().unwrap();
    *url = url.expose().replace("content_worker:", "content_worker:not").into();
    let (level, check, says) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "sign-in"));
    assert!(says.starts_with("content_worker cannot use the database"), "{says}");
}

#[tokio::test]
async fn redis_and_postgresql_that_are_away_are_named() {
    let patient = Patient::of(Suite::start_alone().await).await;
    let servers = patient.suite.servers.as_ref().unwrap();
    servers.stop_redis().await.unwrap();
    let (level, check, _) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "redis"));
    servers.stop_postgres().await.unwrap();
    let findings = patient.ailments().await;
    assert!(findings.iter().any(|finding| finding.check == "database"), "{findings:#?}");
}
