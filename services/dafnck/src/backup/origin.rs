//! The PostgreSQL that is backed up: that of the suite on this machine, or one that runs elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use diesel_async::AsyncPgConnection;
use local_servers::RunningPostgres;
use shared::config::Secret;
use shared::database::{self, DatabaseUrl};
use tokio_postgres::config::{Host, SslMode};

/// What a backup needs beside those that a server needs.
const PROGRAMS: [&str; 3] = ["pg_basebackup", "pg_receivewal", "pg_verifybackup"];
const DEFAULT_PORT: u16 = 5432;

/// The PostgreSQL that is backed up.
pub struct Origin {
    /// The directory with its programs.
    pub programs: PathBuf,
    /// Of the role that makes backups, to the database that it finds first.
    url: Secret,
    /// Where the suite keeps its passwords and keys; `None` if another keeper has them.
    pub(super) secrets: Option<SecretsSource>,
}

/// Where a local suite keeps its passwords and keys.
pub(super) struct SecretsSource {
    /// Those of the servers.
    pub(super) servers: PathBuf,
    /// Those of the services.
    pub(super) suite: PathBuf,
}

/// How libpq's programs reach the server. A password on a command line could be read by everybody.
#[derive(Default)]
pub(super) struct ConnectionWords {
    pub(super) address: String,
    pub(super) database: String,
    /// A line of a password file.
    pub(super) passfile: String,
}

impl Origin {
    /// The running suite of a data directory.
    ///
    /// # Errors
    /// When none runs, or its PostgreSQL comes without `pg_basebackup`.
    pub fn local(data_directory: &Path) -> anyhow::Result<Self> {
        let postgres = RunningPostgres::find(data_directory)?;
        let url = postgres.admin_url("postgres");
        let secrets = SecretsSource { servers: postgres.data, suite: data_directory.to_owned() };
        Self { programs: postgres.programs, url, secrets: Some(secrets) }.with_programs()
    }

    /// The server of this URL, and a directory with programs of its version.
    ///
    /// # Errors
    /// When the directory has no `pg_basebackup`.
    pub fn elsewhere(url: &Secret, programs: &Path) -> anyhow::Result<Self> {
        Self { programs: programs.to_owned(), url: url.clone(), secrets: None }.with_programs()
    }

    fn with_programs(self) -> anyhow::Result<Self> {
        for program in PROGRAMS {
            if !self.programs.join(program).is_file() {
                bail!(
                    "{} has no {program}: install the client programs of PostgreSQL beside the server",
                    self.programs.display()
                );
            }
        }
        Ok(self)
    }

    /// A connection to the database that the role finds first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn connect(&self) -> anyhow::Result<AsyncPgConnection> {
        database::connect(&self.url).await
    }

    /// A connection to a database.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn connect_to(&self, name: &str) -> anyhow::Result<AsyncPgConnection> {
        let (address, query) = self.url.expose().split_once('?').unwrap_or((self.url.expose(), ""));
        let (server, _) = address.rsplit_once('/').context("the database URL names no database")?;
        database::connect(&format!("{server}/{name}?{query}").into()).await
    }

    pub(super) fn connection_words(&self) -> anyhow::Result<ConnectionWords> {
        let DatabaseUrl { config, authorities, .. } = DatabaseUrl::parse(&self.url, None)?;
        let host = match config.get_hosts() {
            [Host::Tcp(host)] => host.as_str(),
            _ => bail!("the database URL must name one host"),
        };
        let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
        let user = config.get_user().context("the database URL names no user")?;
        let password = String::from_utf8_lossy(config.get_password().unwrap_or_default());
        let tls = match (config.get_ssl_mode(), authorities) {
            (SslMode::Disable, _) => "sslmode=disable".to_owned(),
            (SslMode::Require, None) => "sslmode=verify-full sslrootcert=system".to_owned(),
            (_, Some(file)) => {
                format!("sslmode=verify-full sslrootcert={}", quoted(&file.to_string_lossy()))
            }
            _ => "sslmode=prefer".to_owned(),
        };
        Ok(ConnectionWords {
            address: format!("host={} port={port} user={} {tls}", quoted(host), quoted(user)),
            database: quoted(config.get_dbname().unwrap_or("postgres")),
            passfile: format!("*:{port}:*:{}:{}\n", escaped(user, ':'), escaped(&password, ':')),
        })
    }
}

/// A value in libpq's words for a connection.
fn quoted(value: &str) -> String {
    format!("'{}'", escaped(value, '\''))
}

fn escaped(value: &str, special: char) -> String {
    value.replace('\\', r"\\").replace(special, &format!("\\{special}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(url: &str) -> ConnectionWords {
        let origin = Origin { programs: PathBuf::new(), url: url.into(), secrets: None };
        origin.connection_words().unwrap()
    }

    #[test]
    fn passwords_are_in_the_password_file_alone() {
        let found = words("postgres://bea:p%3Aw%5C@db:5433/dafnck?sslmode=disable");
        assert_eq!(found.address, "host='db' port=5433 user='bea' sslmode=disable");
        assert_eq!(
            (found.database.as_str(), found.passfile.as_str()),
            ("'dafnck'", "*:5433:*:bea:p\\:w\\\\\n")
        );
    }

    #[test]
    fn certificates_are_verified() {
        let of = |query: &str| words(&format!("postgres://bea:pw@db/dafnck{query}")).address;
        let address = |tls: &str| format!("host='db' port=5432 user='bea' {tls}");
        assert_eq!(of("?sslmode=require"), address("sslmode=verify-full sslrootcert=system"));
        assert_eq!(of("?sslrootcert=%2Fa%27b"), address(r"sslmode=verify-full sslrootcert='/a\'b'"));
        assert_eq!(of(""), address("sslmode=prefer"));
    }
}
