//! PgBouncer in front of a PostgreSQL server, for tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpStream;

use super::Progress;
use super::command::Identity;
use super::encrypted::Certificate;
use super::ports;
use super::provision::{self, Copy, Program};
use super::provision_debian::{library_path, unpack};
use super::tethered::{Place, Tethered};

const COPY: &str = "pgbouncer-1";
const SERVER: &str = "pgbouncer";
const END_LIMIT: Duration = Duration::from_secs(5);

/// A running PgBouncer.
pub struct PgBouncer {
    /// Loopback TCP port.
    pub port: u16,
    settings: String,
    users: String,
    certificate: Option<Certificate>,
    program: Program,
    server: Option<Tethered>,
}

impl PgBouncer {
    /// Starts it on a free port with the settings of this file, for all databases of the server at `postgres` and for
    /// these users with their passwords; with a certificate it refuses plain text. Debian's package is fetched into the cache.
    ///
    /// # Errors
    /// When it cannot be fetched or does not start.
    pub async fn start(
        cache: &Path,
        settings: &Path,
        postgres: SocketAddr,
        users: &[(String, String)],
        certificate: Option<Certificate>,
        progress: impl Fn(&str) + Send + Sync,
    ) -> Result<Self> {
        let program = program(cache, &progress).await?;
        let port = ports::free()?;
        let users = users.iter().map(|(user, password)| format!("\"{user}\" \"{password}\"\n")).collect();
        let settings = std::fs::read_to_string(settings).context("cannot read PgBouncer's settings")?;
        let (host, at) = (postgres.ip(), postgres.port());
        // What comes later counts.
        let settings = format!(
            "{settings}\n[databases]\n* = host={host} port={at}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        );
        let mut bouncer = Self { port, settings, users, certificate, program, server: None };
        bouncer.start_again().await?;
        Ok(bouncer)
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(server) = &self.server {
            server.signal("KILL").await?;
            let ended = super::process::wait_for_end(|| Ok(server.has_ended()), END_LIMIT).await?;
            anyhow::ensure!(ended, "PgBouncer did not end");
        }
        Ok(())
    }

    /// Starts it on the same port.
    ///
    /// # Errors
    /// When it does not start; the end of its log is in the message.
    pub async fn start_again(&mut self) -> Result<()> {
        self.server = None;
        let place = Place::make()?;
        let users = place.write("users", &self.users)?;
        let mut settings = format!("{}auth_file = {}\n", self.settings, users.display());
        if let Some(certificate) = &self.certificate {
            let chain = place.write("chain.pem", &certificate.chain)?;
            let key = place.write("key.pem", &certificate.key)?;
            settings += &format!(
                "client_tls_sslmode = require\nclient_tls_cert_file = {}\nclient_tls_key_file = {}\n",
                chain.display(),
                key.display()
            );
        }
        let settings = place.write("pgbouncer.ini", &settings)?;
        let settings = settings.to_str().context("the folder's path is not UTF-8")?;
        let server = Tethered::spawn(&place, &self.program, SERVER, &[settings])?;
        let address = (Ipv4Addr::LOCALHOST, self.port);
        server.wait_until(async || TcpStream::connect(address).await.is_ok()).await?;
        self.server = Some(server);
        Ok(())
    }
}

async fn program(cache: &Path, progress: Progress<'_>) -> Result<Program> {
    let identity = Identity::of_servers()?;
    let (cache, _) = super::places::reachable(cache, identity)?;
    let place = match provision::copy(&cache, COPY, progress).await? {
        Copy::Present(place) => place,
        Copy::Missing(unfinished) => {
            progress("installing PgBouncer (private copy of Debian's package)…");
            unpack(&unfinished.folder, &[SERVER], SERVER, "usr/sbin/pgbouncer").await?;
            unfinished.finish()?
        }
    };
    let found = Program::ask(&place.join("usr/sbin"), SERVER, library_path(&place), identity).await;
    found.with_context(|| format!("the private copy in {} does not run: remove it", place.display()))
}
