//! Certificates of a local suite that speaks TLS: of a development authority beside its data, renewed in good time.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::{Days, TimeDelta, Utc};
use local_servers::{ConnectionInfo, LocalServers};
use shared::config::{SiblingOptions, TlsOptions};
use shared::tls;

use crate::progress::say;
use local_servers::dev_ca::{self, AUTHORITY, Authority};

/// In the data directory.
pub(super) const DIRECTORY: &str = "certificates";
const HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];
const LIFE: Days = Days::new(90);
/// What ends sooner is renewed.
const RENEWAL: TimeDelta = TimeDelta::days(30);
const LOOK_INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);

/// The directory with certificates for everybody, which are made or renewed if need be; and whether any was.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn keep(data_directory: &Path) -> anyhow::Result<(PathBuf, bool)> {
    let directory = data_directory.join(DIRECTORY);
    let authority = Authority::load_or_make(&directory)?;
    let lasts = |name: &str| {
        let end = tls::expiry_of(&directory.join(format!("{name}.pem")));
        dev_ca::is_whole(&directory, name) && end.is_ok_and(|end| end - Utc::now() > RENEWAL)
    };
    if dev_ca::everybody().all(lasts) {
        return Ok((directory, false));
    }
    let until = Utc::now().date_naive() + LIFE;
    authority.issue_all(&HOSTS.map(str::to_owned), until)?;
    say(&format!("made certificates until {until} in {}", directory.display()));
    Ok((directory, true))
}

/// Renews them for as long as it is polled. The services read theirs anew by themselves.
pub(super) async fn renew_in_time(data_directory: &Path, servers: &LocalServers) -> Infallible {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        looks.tick().await;
        if let Err(error) = renew(data_directory, servers).await {
            say(&format!("the certificates could not be renewed: {error:#}"));
        }
    }
}

async fn renew(data_directory: &Path, servers: &LocalServers) -> anyhow::Result<()> {
    let (directory, renewed) = keep(data_directory)?;
    if renewed {
        servers.renew(&dev_ca::server_certificates(&directory)?).await.context("PostgreSQL and Redis")?;
    }
    Ok(())
}

/// How a command of the operator calls the services: as its options say, and encrypted where they leave it open and the
/// suite of the data directory speaks TLS.
pub(crate) fn complete(
    data_directory: &Path,
    siblings: &SiblingOptions,
    tls: &TlsOptions,
) -> (SiblingOptions, TlsOptions) {
    let (mut siblings, mut tls) = (siblings.clone(), tls.clone());
    let speaks_tls =
        ConnectionInfo::of(data_directory).is_ok_and(|connection| connection.authority().is_some());
    if tls.tls_ca.is_some() || !speaks_tls {
        return (siblings, tls);
    }
    let SiblingOptions { identity_url, project_url, task_url, content_url } = &mut siblings;
    for url in [identity_url, project_url, task_url, content_url] {
        *url = url.replace("http://127.0.0.1:", "https://127.0.0.1:");
    }
    let file = |name: &str| Some(data_directory.join(DIRECTORY).join(name));
    tls.tls_ca = file(&format!("{AUTHORITY}.pem"));
    if tls.tls_certificate.is_none() {
        (tls.tls_certificate, tls.tls_key) = (file("operator.pem"), file("operator.key"));
    }
    (siblings, tls)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn certificates_are_made_once_and_again_when_they_end_soon() {
        let data = tempfile::tempdir().unwrap();
        let (directory, made) = keep(data.path()).unwrap();
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        let (authority, project) = (read("ca.pem"), read("project.pem"));
        assert!(made && !keep(data.path()).unwrap().1);

        let soon = Utc::now().date_naive() + Days::new(29);
        let hosts = HOSTS.map(str::to_owned);
        Authority::load_or_make(&directory).unwrap().issue("redis", &hosts, soon).unwrap();
        assert!(keep(data.path()).unwrap().1);
        assert_eq!(read("ca.pem"), authority);
        assert_ne!(read("project.pem"), project);
    }

    #[test]
    fn what_an_interrupted_start_has_left_is_completed() {
        let data = tempfile::tempdir().unwrap();
        let (directory, _) = keep(data.path()).unwrap();
        let names = || dev_ca::everybody().chain([AUTHORITY]);
        for name in names() {
            let file = |ending: &str| directory.join(format!("{name}.{ending}"));
            fs::remove_file(file("pem")).unwrap();
            keep(data.path()).unwrap();
            assert!(names().all(|name| dev_ca::is_whole(&directory, name)), "a key without {name}.pem");
            if name != AUTHORITY {
                fs::copy(directory.join("ca.key"), file("key")).unwrap();
                keep(data.path()).unwrap();
                assert!(
                    names().all(|name| dev_ca::is_whole(&directory, name)),
                    "another key than of {name}.pem"
                );
            }
        }
    }
}
