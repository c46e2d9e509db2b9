//! How clients reach the private servers: passwords, ports, and whom to trust.

use std::path::{Path, PathBuf};

use anyhow::Result;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::command::OsUser;
use crate::passwords::Secrets;
use crate::paths;
use shared::config::Secret;

/// The superuser that [`PostgresServer::admin_url`] signs in as.
pub const ADMIN: &str = "dafnck_admin";

/// Where certificates are, in the data directory. It is there exactly while the servers speak TLS and nothing else.
pub(crate) const TLS_DIRECTORY: &str = "tls";
/// The authorities to trust, in there.
pub(crate) const AUTHORITY: &str = "ca.pem";

/// How clients reach the servers of a data directory.
#[derive(Clone)]
pub struct ConnectionInfo {
    secrets: Secrets,
    authority: Option<PathBuf>,
}

impl ConnectionInfo {
    /// The servers of this data directory, whether or not they run.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(data_directory: &Path) -> Result<Self> {
        let data = paths::reachable_path(data_directory, OsUser::of_servers())?;
        Ok(Self::new(Secrets::read(&data)?, authority_of(&data)))
    }

    pub(crate) fn new(secrets: Secrets, authority: Option<PathBuf>) -> Self {
        Self { secrets, authority }
    }

    /// PEM file with the authorities to trust, where the servers speak TLS.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// Password of the superuser [`ADMIN`].
    pub fn admin_password(&self) -> &str {
        &self.secrets.postgres_admin_password
    }

    /// Password of Redis' default user.
    pub(crate) fn redis_password(&self) -> &str {
        &self.secrets.redis_password
    }

    /// A connection URL of the superuser (plain names: they are not escaped).
    pub fn admin_url(&self, port: u16, database: &str) -> Secret {
        self.postgres_url(ADMIN, self.admin_password(), port, database)
    }

    /// A connection URL of a role of PostgreSQL.
    pub fn postgres_url(&self, role: &str, password: &str, port: u16, database: &str) -> Secret {
        let tls = self.url_tls();
        format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}?{tls}").into()
    }

    fn url_tls(&self) -> String {
        let Some(authority) = &self.authority else { return "sslmode=disable".to_owned() };
        let path = authority.to_string_lossy();
        format!("sslmode=verify-full&sslrootcert={}", utf8_percent_encode(&path, NON_ALPHANUMERIC))
    }

    /// A connection URL of Redis with the password, for database 0.
    pub fn redis_url(&self, port: u16) -> Secret {
        let scheme = if self.authority.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://:{}@127.0.0.1:{port}/0", self.redis_password()).into()
    }
}

/// The authorities that clients of the servers on a data directory have to trust, if those speak TLS.
fn authority_of(data: &Path) -> Option<PathBuf> {
    Some(data.join(TLS_DIRECTORY).join(AUTHORITY)).filter(|authority| authority.exists())
}
