//! Certificates of a local suite that speaks TLS: of a development authority beside its data, renewed in good time.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::{Days, TimeDelta, Utc};
use local_servers::LocalServers;
use shared::config::TlsOptions;
use shared::tls;

use crate::output::say;
use local_servers::dev_ca::{self, AUTHORITY, Authority};

/// In the data directory.
pub(super) const DIRECTORY: &str = "certificates";
const HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];
const LIFE: Days = Days::new(90);
/// What ends sooner is renewed.
const RENEW_BEFORE_EXPIRY: TimeDelta = TimeDelta::days(30);
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
        dev_ca::is_whole(&directory, name) && end.is_ok_and(|end| end - Utc::now() > RENEW_BEFORE_EXPIRY)
    };
    if dev_ca::everybody().all(lasts) {
        return Ok((directory, false));
    }
    let until = Utc::now().date_naive() + LIFE;
    authority.issue_all(&HOSTS.map(str::to_owned), until)?;
    say(&format!("made certificates until {until} in {}", directory.display()));
    Ok((directory, true))
}

/// Renews them for as long as it is polled. The services read theirs again by themselves.
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

/// Whom the operator's commands trust that they are the services of the suite, and how they are trusted themselves.
pub(crate) fn of_operator(data_directory: &Path) -> TlsOptions {
    let file = |name: &str| Some(data_directory.join(DIRECTORY).join(name));
    TlsOptions {
        tls_certificate: file("operator.pem"),
        tls_key: file("operator.key"),
        tls_ca: file(&format!("{AUTHORITY}.pem")),
        tls_client_ca: None,
    }
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
