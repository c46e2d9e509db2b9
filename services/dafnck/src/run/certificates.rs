//! Certificates of a local suite that speaks TLS: of a development authority beside its data, renewed in good time.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::{Days, TimeDelta, Utc};
use local_servers::{ConnectionInfo, LocalServers};
use shared::config::{SiblingOptions, TlsOptions};
use shared::tls;

use super::say;
use local_servers::dev_ca::{self, AUTHORITY, Authority};

/// In the data folder.
pub(super) const FOLDER: &str = "certificates";
const HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];
const LIFE: Days = Days::new(90);
/// What ends sooner is renewed.
const RENEWAL: TimeDelta = TimeDelta::days(30);
const LOOK_INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);

/// The folder with certificates for everybody, which are made or renewed if need be; and whether any was.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn keep(data_folder: &Path) -> anyhow::Result<(PathBuf, bool)> {
    let folder = data_folder.join(FOLDER);
    let authority = Authority::load_or_make(&folder)?;
    let lasts = |name| {
        let end = tls::end_of(&folder.join(format!("{name}.pem")));
        end.is_ok_and(|end| end - Utc::now() > RENEWAL)
    };
    if dev_ca::everybody().all(lasts) {
        return Ok((folder, false));
    }
    let until = Utc::now().date_naive() + LIFE;
    authority.issue_all(&HOSTS.map(str::to_owned), until)?;
    say(&format!("made certificates until {until} in {}", folder.display()));
    Ok((folder, true))
}

/// Renews them for as long as it is polled. The services read theirs anew by themselves.
pub(super) async fn renew_in_time(data_folder: &Path, servers: &LocalServers) -> Infallible {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        looks.tick().await;
        if let Err(error) = renew(data_folder, servers).await {
            say(&format!("the certificates could not be renewed: {error:#}"));
        }
    }
}

async fn renew(data_folder: &Path, servers: &LocalServers) -> anyhow::Result<()> {
    let (folder, renewed) = keep(data_folder)?;
    if renewed {
        servers.renew(&dev_ca::server_certificates(&folder)?).await.context("PostgreSQL and Redis")?;
    }
    Ok(())
}

/// How a command of the operator calls the services: as its options say, and encrypted where they leave it open and the
/// suite of the data folder speaks TLS.
pub(crate) fn complete(
    data_folder: &Path,
    siblings: &SiblingOptions,
    tls: &TlsOptions,
) -> (SiblingOptions, TlsOptions) {
    let (mut siblings, mut tls) = (siblings.clone(), tls.clone());
    let speaks_tls = ConnectionInfo::of(data_folder).is_ok_and(|reaching| reaching.authority().is_some());
    if tls.tls_ca.is_some() || !speaks_tls {
        return (siblings, tls);
    }
    let SiblingOptions { identity_url, project_url, task_url, content_url } = &mut siblings;
    for url in [identity_url, project_url, task_url, content_url] {
        *url = url.replace("http://127.0.0.1:", "https://127.0.0.1:");
    }
    let file = |name: &str| Some(data_folder.join(FOLDER).join(name));
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
        let (folder, made) = keep(data.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let (authority, project) = (read("ca.pem"), read("project.pem"));
        assert!(made && !keep(data.path()).unwrap().1);

        let soon = Utc::now().date_naive() + Days::new(29);
        let hosts = HOSTS.map(str::to_owned);
        Authority::load_or_make(&folder).unwrap().issue("redis", &hosts, soon).unwrap();
        assert!(keep(data.path()).unwrap().1);
        assert_eq!(read("ca.pem"), authority);
        assert_ne!(read("project.pem"), project);
    }
}
