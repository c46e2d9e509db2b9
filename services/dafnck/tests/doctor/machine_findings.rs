//! What is around the databases, and can be missing, late or full.

use crate::harness::harness;
use std::time::{Duration, Instant};

use dafnck::doctor::{Level, Thresholds};
use testkit::SmallDisk;

use super::{Fixture, certificate, only};

/// How long what is broken may seem to be well.
const TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_certificate_that_is_about_to_end_and_a_missing_backup_are_named() {
    let mut fixture = Fixture::of(harness().start_durable().await).await;
    fixture.places.certificates.push(certificate(fixture.directory.path(), 3));
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Critical, "certificate"));
    assert!(message.contains("in 2 days"), "{message}");
    fixture.places.certificates.clear();
    std::fs::remove_file(fixture.directory.path().join("status.json")).unwrap();
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Critical, "backup"));
    assert!(message.contains("there is no backup"), "{message}");
}

#[tokio::test]
async fn a_password_that_no_longer_fits_is_named_with_its_role() {
    let mut fixture = Fixture::of(harness().start_durable().await).await;
    let (_, url) = fixture.places.role_urls.last_mut().unwrap();
    *url = url.expose().replace("content_worker:", "content_worker:not").into();
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Critical, "sign-in"));
    assert!(message.starts_with("content_worker cannot use the database"), "{message}");
}

#[tokio::test]
async fn redis_and_postgresql_that_are_away_are_named() {
    let fixture = Fixture::of(harness().start_durable_alone().await).await;
    let servers = fixture.suite.servers.as_ref().unwrap();
    servers.stop_redis().await.unwrap();
    let (level, check, _) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Critical, "redis"));
    servers.stop_postgres().await.unwrap();
    let findings = fixture.findings().await;
    assert!(findings.iter().any(|finding| finding.check == "database"), "{findings:#?}");
}

#[tokio::test]
async fn a_service_that_is_away_is_named_with_where_it_should_be() {
    let mut fixture = Fixture::of(harness().start_durable().await).await;
    fixture.places.siblings.task_url = "http://127.0.0.1:1".to_owned();
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Critical, "service"));
    assert!(message.starts_with("task at http://127.0.0.1:1 does not answer"), "{message}");
}

#[tokio::test]
async fn services_that_lack_something_are_not_ready() {
    let fixture = Fixture::of(harness().start_durable_alone().await).await;
    fixture.suite.servers.as_ref().unwrap().stop_postgres().await.unwrap();
    let start = Instant::now();
    loop {
        let mut findings = fixture.findings().await;
        findings.retain(|finding| finding.check == "service");
        if findings.len() == 4 {
            assert!(findings.iter().all(|found| found.message.ends_with("is not ready")), "{findings:#?}");
            return;
        }
        assert!(start.elapsed() < TIMEOUT, "{findings:#?}");
    }
}

#[tokio::test]
async fn a_redis_that_cannot_save_is_reported() {
    let fixture = Fixture::of(harness().start_durable_alone().await).await;
    let directory = fixture.suite.servers.as_ref().unwrap().data.join("redis");
    std::fs::remove_dir_all(directory).unwrap();
    let _begun: String = fixture.suite.redis().query(&redis::cmd("BGSAVE")).await.unwrap();
    let start = Instant::now();
    loop {
        let (level, message) = fixture.found("redis", &Thresholds::default()).await;
        if level == Level::Warning {
            assert_eq!(message, "answers, but could not save");
            return;
        }
        assert!(start.elapsed() < TIMEOUT, "{message}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_and_one_that_is_to_be_renewed_are_reported() {
    let mut fixture = Fixture::of(harness().start_durable().await).await;
    fixture.places.certificates.push(certificate(fixture.directory.path(), 20));
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Warning, "certificate"));
    assert!(message.contains("in 19 days"), "{message}");
    let garbage = fixture.directory.path().join("garbage.pem");
    std::fs::write(&garbage, "garbage").unwrap();
    fixture.places.certificates = vec![garbage];
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Critical, "certificate"));
    assert!(message.contains("there is no certificate in"), "{message}");
}

#[tokio::test]
async fn a_disk_without_room_and_a_directory_that_is_gone_are_reported() {
    let mut fixture = Fixture::of(harness().start_durable().await).await;
    let disk = SmallDisk::mount(fixture.directory.path(), 4 << 20);
    fixture.places.directories = vec![disk.folder.clone()];
    assert_eq!(fixture.findings().await, []);
    disk.fill();
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Critical, "disk"));
    assert!(message.starts_with("0 % free (0 GiB) at "), "{message}");
    fixture.places.directories = vec![fixture.directory.path().join("gone")];
    let (level, check, message) = only(fixture.findings().await);
    assert_eq!((level, check), (Level::Critical, "disk"));
    assert!(message.ends_with("cannot be looked at"), "{message}");
}
