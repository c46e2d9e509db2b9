//! A healthy suite is found well; of a sick one, what ails it is named.

mod command;
mod database_findings;
mod local;
mod machine_findings;
mod settings_findings;

use crate::harness::harness;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dafnck::backup::status::{OK, Status};
use dafnck::doctor::{BackupLocation, Finding, Level, Places, Thresholds, examine};
use dafnck::maintain::maintain;
use diesel_async::SimpleAsyncConnection;
use local_servers::suite::Role;
use tempfile::TempDir;
use testkit::Suite;

/// What a healthy database has beside its schemas: somebody counts, and the backup has its slot.
const PREPARED: &str = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; \
    DO $$ BEGIN PERFORM pg_create_physical_replication_slot('barman'); EXCEPTION WHEN duplicate_object THEN NULL; END $$";

/// A suite that is maintained and backed up.
struct Fixture {
    suite: Suite,
    places: Places,
    directory: TempDir,
}

impl Fixture {
    async fn of(suite: Suite) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let now = Some(chrono::Utc::now());
        let status = Status {
            last_backup_at: now,
            last_wal_at: now,
            last_files_at: now,
            last_drill_success_at: now,
            last_backup_outcome: Some(OK.to_owned()),
            ..Status::default()
        };
        std::fs::write(directory.path().join("status.json"), serde_json::to_vec(&status).unwrap()).unwrap();
        suite.admin().await.batch_execute(PREPARED).await.unwrap();
        maintain(&suite.admin_url, true).await.unwrap();
        let places = Places {
            siblings: suite.siblings.clone(),
            tls_ca: None,
            operator: None,
            admin_urls: vec![suite.admin_url.clone()],
            role_urls: Role::ALL.map(|role| (role.name(), suite.options.url_of(role))).into(),
            redis_tls_ca: None,
            redis_url: suite.options.redis_url.clone(),
            redis_key_prefix: suite.options.redis_key_prefix.clone(),
            backup: BackupLocation::Directory(directory.path().to_owned()),
            certificates: Vec::new(),
            directories: Vec::new(),
        };
        Self { suite, places, directory }
    }

    async fn examined(&self) -> Vec<Finding> {
        // The test's machine may be busy: no statement is slow here.
        let fixture = Thresholds { slow_statement: Duration::from_secs(60), ..Thresholds::default() };
        examine(&self.places, &fixture).await
    }

    async fn findings(&self) -> Vec<Finding> {
        self.examined().await.into_iter().filter(|finding| finding.level != Level::Ok).collect()
    }

    /// What is found that is not well, of one of the checks.
    async fn findings_of(&self, check: &str) -> Vec<(Level, String)> {
        let mut findings = self.findings().await;
        findings.retain(|finding| finding.check == check && finding.hint.is_some());
        findings.into_iter().map(|finding| (finding.level, finding.message)).collect()
    }

    /// What is found by one of the checks.
    async fn found(&self, check: &str, thresholds: &Thresholds) -> (Level, String) {
        let mut findings = examine(&self.places, thresholds).await;
        findings.retain(|finding| finding.check == check);
        let Some(finding) = findings.pop() else { panic!("{check} is not looked at") };
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(finding.hint.is_some(), finding.level != Level::Ok, "{finding:?}");
        (finding.level, finding.message)
    }

    async fn change(&self, statements: &str) {
        self.suite.admin().await.batch_execute(statements).await.unwrap();
    }
}

/// The one thing that is wrong.
fn only(findings: Vec<Finding>) -> (Level, &'static str, String) {
    let [finding] = findings.as_slice() else { panic!("one thing is wrong, not {findings:#?}") };
    assert!(finding.hint.is_some());
    (finding.level, finding.check, finding.message.clone())
}

/// Makes a certificate that is good for so many days.
fn certificate(directory: &Path, days: u32) -> PathBuf {
    let path = directory.join("certificate.pem");
    let key = directory.join("key.pem");
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
    let mut fixture = Fixture::of(harness().start_durable().await).await;
    fixture.places.certificates.push(certificate(fixture.directory.path(), 90));
    let findings = fixture.examined().await;
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:#?}");
    let mut checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    checks.dedup();
    let all = [
        "service",
        "sign-in",
        "redis",
        "configuration",
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
