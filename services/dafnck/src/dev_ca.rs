//! `dafnck dev-ca`: certificates of a development authority, for services that speak TLS.

use std::fmt;
use std::path::PathBuf;

use chrono::{Days, NaiveDate, Utc};
use clap::Args;
use local_servers::dev_ca::{AUTHORITY, Authority};
use rustls::pki_types::ServerName;
use serde::Serialize;

use crate::output;

/// Where to put certificates, and for whom.
#[derive(Args, Clone, Debug)]
pub struct DevCaOptions {
    /// Directory for the authority (`ca.pem`) and certificates with keys (`identity.pem`, `identity.key`, …); made if
    /// missing. An authority that is there stays, and signs new certificates
    directory: PathBuf,
    /// Names and addresses under which the services are called
    #[arg(long, value_delimiter = ',', default_value = "localhost,127.0.0.1", value_parser = parse_host)]
    hosts: Vec<String>,
    /// How long the certificates last
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
}

/// A host name, also with `*` as its first label, or an IP address.
fn parse_host(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    match ServerName::try_from(name) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("is neither a host name nor an IP address".to_owned()),
    }
}

/// Makes the certificates and says which options take them.
///
/// # Errors
/// When a file cannot be read or written.
pub fn command(options: &DevCaOptions) -> anyhow::Result<()> {
    let authority = Authority::load_or_make(&options.directory)?;
    let until = Utc::now().date_naive() + Days::new(options.days.into());
    authority.issue_all(&options.hosts, until)?;
    output::report(&Certificates { directory: options.directory.clone(), until })
}

/// What was made.
#[derive(Serialize)]
struct Certificates {
    directory: PathBuf,
    until: NaiveDate,
}

impl fmt::Display for Certificates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (until, directory) = (self.until, self.directory.display());
        let authority = format!("{directory}/{AUTHORITY}.pem");
        writeln!(out, "certificates until {until} are in {directory}. For each service, as for identity:")?;
        writeln!(
            out,
            "  DAFNCK_TLS_CERTIFICATE={directory}/identity.pem DAFNCK_TLS_KEY={directory}/identity.key"
        )?;
        writeln!(out, "  DAFNCK_TLS_CA={authority} DAFNCK_TLS_CLIENT_CA={authority}")?;
        writeln!(out, "  DAFNCK_DATABASE_TLS_CA={authority} DAFNCK_REDIS_TLS_CA={authority}")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for host in ["localhost", "127.0.0.1", "::1", "identity.example.org", "*.example.org"] {
            assert_eq!(parse_host(host), Ok(host.to_owned()));
        }
        for host in ["bad host", "", "a..b", "https://example.org", "localhost:50051"] {
            assert!(parse_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn an_authority_that_is_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let options =
            DevCaOptions { directory: directory.path().join("a"), hosts: vec!["localhost".into()], days: 1 };
        command(&options).unwrap();
        let read = |name: &str| fs::read_to_string(options.directory.join(name)).unwrap();
        let (authority, former) = (read("ca.pem"), read("identity.pem"));
        command(&options).unwrap();
        assert_eq!(read("ca.pem"), authority);
        assert_ne!(read("identity.pem"), former);
    }
}
