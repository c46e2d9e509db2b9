//! The wires to PostgreSQL and Redis: who is refused, and certificates that are replaced or end while all runs.

use crate::harness::harness;
use std::path::Path;

use chrono::{Days, NaiveDate, Utc};
use diesel_async::SimpleAsyncConnection as _;
use local_servers::dev_ca::{self, Authority};
use proto::project::v1::ListProjectsRequest;
use rustls::pki_types::CertificateDer;
use shared::config::Secret;
use shared::database;
use shared::redis_store::RedisStore;
use testkit::{Actor, Suite, Topology, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ENCRYPTED;
use super::encryption::{TIMEOUT, shown_certificate};

/// PostgreSQL's request to speak TLS (`SSLRequest`), which it answers with one byte.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Why a connection does not come about.
async fn refusal_of(url: &str) -> String {
    let refusal = database::connect(&Secret::from(url)).await.err().expect(url);
    format!("{refusal:#}")
}

#[tokio::test]
async fn postgresql_is_believed_only_encrypted_with_its_name_and_by_its_authority() {
    let suite = harness().start_in(ENCRYPTED).await;
    let url = suite.admin_url.expose();
    let (place, query) = url.split_once('?').unwrap();
    database::connect(&suite.admin_url).await.unwrap();

    let plain = refusal_of(&format!("{place}?sslmode=disable")).await;
    assert!(plain.contains("no encryption"), "{plain}");

    let elsewhere = url.replace("127.0.0.1", "elsewhere.example");
    let other_name = refusal_of(&format!("{elsewhere}&hostaddr=127.0.0.1")).await;
    assert!(other_name.contains("not valid for name"), "{other_name}");

    let others = tempfile::tempdir().unwrap();
    Authority::load_or_make(others.path()).unwrap();
    let ca = others.path().join("ca.pem").display().to_string();
    let other_authority = refusal_of(&format!("{place}?sslmode=verify-full&sslrootcert={ca}")).await;
    assert!(
        other_authority.contains("UnknownIssuer") || other_authority.contains("BadSignature"),
        "{other_authority}"
    );

    // Somebody who sits where PostgreSQL was, and speaks no TLS.
    let plain_server = harness().start_in(Topology::PLAIN).await;
    let (place, _) = plain_server.admin_url.expose().split_once('?').unwrap();
    let downgrade = refusal_of(&format!("{place}?{query}")).await;
    assert!(downgrade.contains("server does not support TLS"), "{downgrade}");
}

/// Whether somebody who trusts this authority comes through to Redis; connecting may outlast a try or two.
async fn reaches_redis(authority: &Path, url: &str) -> bool {
    let authority = url.starts_with("rediss").then_some(authority);
    let store = RedisStore::with_ca(authority, &url.into(), "dafnck").unwrap();
    for _ in 0..3 {
        if store.wake("project").await.is_ok() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn redis_is_believed_only_encrypted_with_its_name_and_by_its_authority() {
    let suite = harness().start_alone_in(ENCRYPTED).await;
    let url = suite.options.redis_url.expose();
    let ca = suite.options.certificates.as_deref().unwrap().join("ca.pem");
    soon("Redis answers", async || reaches_redis(&ca, url).await).await;

    let plain = url.replace("rediss://", "redis://");
    assert!(!reaches_redis(&ca, &plain).await, "plain text");

    let others = tempfile::tempdir().unwrap();
    Authority::load_or_make(others.path()).unwrap();
    assert!(!reaches_redis(&others.path().join("ca.pem"), url).await, "another authority");

    renew_for(&suite, "elsewhere.example", Utc::now().date_naive() + Days::new(30)).await;
    soon("another name is refused", async || !reaches_redis(&ca, url).await).await;
    renew(&suite, Utc::now().date_naive() + Days::new(30)).await;
    soon("Redis answers again", async || reaches_redis(&ca, url).await).await;

    // Somebody who sits where Redis was, and speaks no TLS.
    let plain_server = harness().start_in(Topology::PLAIN).await;
    let downgrade = plain_server.options.redis_url.expose().replace("redis://", "rediss://");
    assert!(!reaches_redis(&ca, &downgrade).await, "a server without TLS");
}

/// The certificate that PostgreSQL shows now, or why nobody goes on.
async fn postgresql_shows(suite: &Suite, authority: &Path) -> Result<CertificateDer<'static>, String> {
    let mut stream = TcpStream::connect(&suite.options.postgres).await.unwrap();
    stream.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    shown_certificate(stream, authority).await
}

/// Gives PostgreSQL and Redis certificates that last until then.
async fn renew(suite: &Suite, until: NaiveDate) {
    renew_for(suite, "127.0.0.1", until).await;
}

/// The same, in the name of this host.
async fn renew_for(suite: &Suite, host: &str, until: NaiveDate) {
    let directory = suite.options.certificates.as_deref().unwrap();
    let authority = Authority::load_or_make(directory).unwrap();
    for name in ["postgres", "redis"] {
        authority.issue(name, &[host.to_owned()], until).unwrap();
    }
    let certificates = dev_ca::server_certificates(directory).unwrap();
    suite.servers.as_ref().unwrap().renew(&certificates).await.unwrap();
}

async fn lists_projects(who: &Actor) -> bool {
    who.projects().list_projects(ListProjectsRequest::default()).await.is_ok()
}

async fn soon(what: &str, is_so: impl AsyncFnMut() -> bool) {
    until(what, TIMEOUT, is_so).await;
}

#[tokio::test]
async fn the_servers_certificates_are_replaced_and_end_and_are_mended_while_all_runs() {
    let suite = harness().start_alone_in(ENCRYPTED).await;
    let (olga, today) = (suite.guest("olga").await, Utc::now().date_naive());
    let ca = suite.options.certificates.as_deref().unwrap().join("ca.pem");
    let mut admin = suite.admin().await;
    assert!(lists_projects(&olga).await);
    let first = postgresql_shows(&suite, &ca).await.unwrap();

    renew(&suite, today + Days::new(60)).await;
    soon("another certificate", async || {
        postgresql_shows(&suite, &ca).await.is_ok_and(|shown| shown != first)
    })
    .await;
    soon("Redis answers", async || suite.redis().wake("project").await.is_ok()).await;

    renew(&suite, today - Days::new(1)).await;
    soon("an ended certificate", async || {
        postgresql_shows(&suite, &ca).await.is_err_and(|error| error.contains("xpired"))
    })
    .await;
    let refusal = refusal_of(suite.admin_url.expose()).await;
    assert!(refusal.contains("expired"), "{refusal}");
    assert!(suite.redis().wake("project").await.is_err());
    soon("who is connected goes on", async || lists_projects(&olga).await).await;
    let everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
    admin.batch_execute(everybody).await.unwrap();
    soon("calls fail", async || !lists_projects(&olga).await).await;

    renew(&suite, today + Days::new(60)).await;
    soon("calls go on", async || lists_projects(&olga).await).await;
    soon("Redis answers", async || suite.redis().wake("project").await.is_ok()).await;
}
