//! What is around the databases, and can be missing, late or full.

use crate::harness::harness;
use std::time::{Duration, Instant};

use dafnck::doctor::{Level, Thresholds};
use testkit::SmallDisk;

use super::{Patient, certificate, only};

/// How long what is broken may seem to be well.
const TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_certificate_that_is_about_to_end_and_a_missing_backup_are_named() {
    let mut patient = Patient::of(harness().start_durable().await).await;
    patient.places.certificates.push(certificate(patient.directory.path(), 3));
    let (level, check, message) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "certificate"));
    assert!(message.contains("in 2 days"), "{message}");
    patient.places.certificates.clear();
    std::fs::remove_file(patient.directory.path().join("status.json")).unwrap();
    let (level, check, message) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "backup"));
    assert!(message.contains("there is no backup"), "{message}");
}

#[tokio::test]
async fn a_password_that_no_longer_fits_is_named_with_its_role() {
    let mut patient = Patient::of(harness().start_durable().await).await;
    let (_, url) = patient.places.role_urls.last_mut().unwrap();
    *url = url.expose().replace("content_worker:", "content_worker:not").into();
    let (level, check, message) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "sign-in"));
    assert!(message.starts_with("content_worker cannot use the database"), "{message}");
}

#[tokio::test]
async fn redis_and_postgresql_that_are_away_are_named() {
    let patient = Patient::of(harness().start_durable_alone().await).await;
    let servers = patient.suite.servers.as_ref().unwrap();
    servers.stop_redis().await.unwrap();
    let (level, check, _) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "redis"));
    servers.stop_postgres().await.unwrap();
    let findings = patient.ailments().await;
    assert!(findings.iter().any(|finding| finding.check == "database"), "{findings:#?}");
}

#[tokio::test]
async fn a_service_that_is_away_is_named_with_where_it_should_be() {
    let mut patient = Patient::of(harness().start_durable().await).await;
    patient.places.siblings.task_url = "http://127.0.0.1:1".to_owned();
    let (level, check, message) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "service"));
    assert!(message.starts_with("task at http://127.0.0.1:1 does not answer"), "{message}");
}

#[tokio::test]
async fn services_that_lack_something_are_not_ready() {
    let patient = Patient::of(harness().start_durable_alone().await).await;
    patient.suite.servers.as_ref().unwrap().stop_postgres().await.unwrap();
    let start = Instant::now();
    loop {
        let mut ailments = patient.ailments().await;
        ailments.retain(|finding| finding.check == "service");
        if ailments.len() == 4 {
            assert!(ailments.iter().all(|found| found.message.ends_with("is not ready")), "{ailments:#?}");
            return;
        }
        assert!(start.elapsed() < TIMEOUT, "{ailments:#?}");
    }
}

#[tokio::test]
async fn a_redis_that_cannot_save_is_told() {
    let patient = Patient::of(harness().start_durable_alone().await).await;
    let directory = patient.suite.servers.as_ref().unwrap().data.join("redis");
    std::fs::remove_dir_all(directory).unwrap();
    let _begun: String = patient.suite.redis().query(&redis::cmd("BGSAVE")).await.unwrap();
    let start = Instant::now();
    loop {
        let (level, message) = patient.found("redis", &Thresholds::default()).await;
        if level == Level::Warning {
            assert_eq!(message, "answers, but could not save");
            return;
        }
        assert!(start.elapsed() < TIMEOUT, "{message}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_and_one_that_is_to_be_renewed_are_told() {
    let mut patient = Patient::of(harness().start_durable().await).await;
    patient.places.certificates.push(certificate(patient.directory.path(), 20));
    let (level, check, message) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Warning, "certificate"));
    assert!(message.contains("in 19 days"), "{message}");
    let garbage = patient.directory.path().join("garbage.pem");
    std::fs::write(&garbage, "garbage").unwrap();
    patient.places.certificates = vec![garbage];
    let (level, check, message) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "certificate"));
    assert!(message.contains("there is no certificate in"), "{message}");
}

#[tokio::test]
async fn a_disk_without_room_and_a_directory_that_is_gone_are_told() {
    let mut patient = Patient::of(harness().start_durable().await).await;
    let disk = SmallDisk::mount(patient.directory.path(), 4 << 20);
    patient.places.directories = vec![disk.folder.clone()];
    assert_eq!(patient.ailments().await, []);
    disk.fill();
    let (level, check, message) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "disk"));
    assert!(message.starts_with("0 % free (0 GiB) at "), "{message}");
    patient.places.directories = vec![patient.directory.path().join("gone")];
    let (level, check, message) = only(patient.ailments().await);
    assert_eq!((level, check), (Level::Critical, "disk"));
    assert!(message.ends_with("cannot be looked at"), "{message}");
}
