//! Everything that goes over a wire encrypted: callers, services among themselves, PostgreSQL's side, Redis.

use crate::harness::harness;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, Utc};
use local_servers::dev_ca::Authority;
use proto::identity::v1::WhoAmIRequest;
use proto::project::backend::v1::GetProjectAccessRequest;
use proto::project::v1::ListProjectsRequest;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shared::config::{SiblingOptions, TlsOptions};
use shared::siblings::Siblings;
use testkit::{Pooling, Service, Suite, Topology, keys, new_id, summary, until_ok};
use tokio::net::TcpStream;
use tonic::Code;

use super::{ENCRYPTED, travel_in};

const THROUGH_PGBOUNCER: Topology = Topology { pooling: Pooling::PgBouncer, ..ENCRYPTED };
/// A changed file is noticed within a second or two.
pub const TIMEOUT: Duration = Duration::from_secs(20);

fn directory_of(suite: &Suite) -> &Path {
    suite.options.certificates.as_deref().unwrap()
}

#[tokio::test]
async fn the_journey_with_everything_encrypted() {
    travel_in(ENCRYPTED).await;
}

#[tokio::test]
async fn the_journey_with_both_sides_of_pgbouncer_encrypted() {
    travel_in(THROUGH_PGBOUNCER).await;
}

/// What a client that trusts this authority sees of the project service: its certificate, or why it does not go on.
async fn certificate_of(suite: &Suite, authority: &Path) -> Result<CertificateDer<'static>, String> {
    let address = suite.siblings.project_url.strip_prefix("https://").unwrap();
    shown_certificate(TcpStream::connect(address).await.unwrap(), authority).await
}

/// The certificate that the other end shows to a client that trusts this authority, or why that does not go on.
pub async fn shown_certificate(
    stream: TcpStream,
    authority: &Path,
) -> Result<CertificateDer<'static>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let connection = connected.map_err(|error| error.to_string())?;
    Ok(connection.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

#[tokio::test]
async fn plain_text_and_other_authorities_are_refused() {
    let suite = harness().start_in(ENCRYPTED).await;
    let olga = suite.guest("olga").await;
    olga.projects().list_projects(ListProjectsRequest::default()).await.unwrap();
    let plain = suite.siblings.project_url.replace("https", "http");
    let mut projects = olga.calling(Service::Project, &plain).projects();
    let refusal = projects.list_projects(ListProjectsRequest::default()).await.unwrap_err();
    // What comes back is an alert of TLS, which is no HTTP/2.
    assert!(matches!(refusal.code(), Code::Internal | Code::Unavailable | Code::Unknown), "{refusal:?}");

    let others = tempfile::tempdir().unwrap();
    Authority::load_or_make(others.path()).unwrap();
    let refusal = certificate_of(&suite, &others.path().join("ca.pem")).await.unwrap_err();
    assert!(refusal.contains("UnknownIssuer") || refusal.contains("BadSignature"), "{refusal}");
}

/// The key alone does not make a service: it also takes a certificate of the authority, and an encrypted way.
#[tokio::test]
async fn a_service_is_believed_only_with_its_certificate() {
    let suite = harness().start_in(ENCRYPTED).await;
    let directory = directory_of(&suite);
    let signer = keys::signer("task");
    let with_ca = TlsOptions { tls_ca: Some(directory.join("ca.pem")), ..Default::default() };
    let certified = TlsOptions {
        tls_certificate: Some(directory.join("task.pem")),
        tls_key: Some(directory.join("task.key")),
        tls_client_ca: Some(directory.join("ca.pem")),
        ..with_ca.clone()
    };
    let ask = async |tls: &TlsOptions| {
        let siblings = Siblings::new(&suite.siblings, tls, &signer).unwrap();
        let request = GetProjectAccessRequest { project_id: new_id(), ..Default::default() };
        siblings.project_access().get_project_access(request).await
    };
    assert_eq!(summary(&ask(&with_ca).await.unwrap_err()), "UNAUTHENTICATED SESSION_INVALID");
    ask(&certified).await.unwrap();
    let plain = SiblingOptions::default();
    let refusal = Siblings::new(&plain, &certified, &signer).unwrap_err();
    assert!(format!("{refusal:#}").contains("https URLs"), "{refusal:#}");
}

#[tokio::test]
async fn a_replaced_certificate_is_served_without_a_restart_and_an_ended_one_is_mended() {
    let suite = harness().start_in(ENCRYPTED).await;
    let olga = suite.guest("olga").await;
    let directory = directory_of(&suite);
    let (ca, authority) = (directory.join("ca.pem"), Authority::load_or_make(directory).unwrap());
    let hosts = ["127.0.0.1".to_owned()];
    let first = certificate_of(&suite, &ca).await.unwrap();
    let until = async |what: &str, is_so: &dyn Fn(&Result<CertificateDer<'static>, String>) -> bool| {
        until_ok(what, TIMEOUT, async || {
            let now = certificate_of(&suite, &ca).await;
            if is_so(&now) { Ok(()) } else { Err(now.map(|_| "a certificate")) }
        })
        .await;
    };

    authority.issue("project", &hosts, Utc::now().date_naive() + Days::new(30)).unwrap();
    until("another certificate", &|now| now.as_ref().is_ok_and(|now| *now != first)).await;

    authority.issue("project", &hosts, Utc::now().date_naive() - Days::new(1)).unwrap();
    until("an ended certificate", &|now| now.as_ref().is_err_and(|error| error.contains("xpired"))).await;
    // Who is connected goes on; nobody new comes in.
    olga.auth().who_am_i(WhoAmIRequest {}).await.unwrap();

    authority.issue("project", &hosts, Utc::now().date_naive() + Days::new(30)).unwrap();
    until("a good certificate", &|now| now.is_ok()).await;
    let anew = olga.after_restart(&suite);
    anew.projects().list_projects(ListProjectsRequest::default()).await.unwrap();
}
