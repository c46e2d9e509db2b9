//! PgBouncer in front of a PostgreSQL server, for tests.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::net::TcpStream;

use local_servers::tools::{
    OsUser, Program, free_port, private_copy, reachable, unpack_from_sources, wait_for_end,
};
use local_servers::{Progress, ServerCertificates};

use crate::debian_release::{NEWER_RELEASE, write_sources};
use crate::supervised_process::{ServerDirectory, SupervisedProcess};

const SERVER: &str = "pgbouncer";
const COPY: &str = "pgbouncer-1.24";
/// With all libraries down to the C library, which are not the machine's.
const PACKAGES: &[&str] = &[
    SERVER,
    "libaudit1",
    "libc6",
    "libcap-ng0",
    "libcap2",
    "libcares2",
    "libevent-2.1-7t64",
    "libpam0g",
    "libssl3t64",
    "libsystemd0",
    "libzstd1",
    "zlib1g",
];
/// Runs the program with its own loader and libraries, wherever the copy lies.
const SCRIPT: &str = r#"#!/bin/sh
place=${0%/*}/..
set -- "$place"/usr/sbin/pgbouncer "$@"
for libraries in "$place"/usr/lib/*-linux-gnu; do :; done
for loader in "$libraries"/ld-linux*; do :; done
exec "$loader" --library-path "$libraries" --argv0 pgbouncer "$@"
"#;
/// What comes before it, the databases, is where another PostgreSQL is.
const SECTION: &str = "[pgbouncer]\n";
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A running PgBouncer.
pub struct PgBouncer {
    /// Loopback TCP port.
    pub port: u16,
    settings: String,
    users: String,
    certificates: Option<ServerCertificates>,
    program: Program,
    server: Option<SupervisedProcess>,
}

impl PgBouncer {
    /// Starts it on a free port with the settings of this file, for all databases of the server at `postgres` and for
    /// these users with their passwords; with certificates it speaks TLS and nothing else on both sides. It is version 1.24,
    /// the first of Debian that tracks prepared statements, fetched into the cache.
    ///
    /// # Errors
    /// When it cannot be fetched or does not start.
    pub async fn start(
        cache: &Path,
        settings: &Path,
        postgres: SocketAddr,
        users: &[(String, String)],
        certificates: Option<ServerCertificates>,
        progress: impl Fn(&str) + Send + Sync,
    ) -> Result<Self> {
        let program = find_or_install(cache, &progress).await?;
        let port = free_port()?;
        let users = users.iter().map(|(user, password)| format!("\"{user}\" \"{password}\"\n")).collect();
        let settings = fs::read_to_string(settings).context("cannot read PgBouncer's settings")?;
        let (host, at) = (postgres.ip(), postgres.port());
        // In one section, where what comes later counts: a second one would put all of the first back to the defaults.
        let (_, own) = settings.split_once(SECTION).context("there is no section [pgbouncer]")?;
        let settings = format!(
            "[databases]\n* = host={host} port={at}\n{SECTION}{own}\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        );
        let mut bouncer = Self { port, settings, users, certificates, program, server: None };
        bouncer.start_again().await?;
        Ok(bouncer)
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(server) = &self.server {
            server.signal(Signal::KILL)?;
            let ended = wait_for_end(|| Ok(server.has_ended()), END_TIMEOUT).await?;
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
        let place = ServerDirectory::make()?;
        let users = place.write("users", &self.users)?;
        let mut settings = format!("{}auth_file = {}\n", self.settings, users.display());
        if let Some(ServerCertificates { authority, postgres, .. }) = &self.certificates {
            let authority = place.write("ca.pem", authority)?;
            // It is PostgreSQL for its clients.
            let chain = place.write("chain.pem", &postgres.chain)?;
            let key = place.write("key.pem", postgres.key.expose())?;
            settings += &format!(
                "client_tls_sslmode = require\nclient_tls_cert_file = {}\nclient_tls_key_file = {}\n\
                 server_tls_sslmode = verify-full\nserver_tls_ca_file = {}\n",
                chain.display(),
                key.display(),
                authority.display()
            );
        }
        let settings = place.write("pgbouncer.ini", &settings)?;
        let settings = settings.to_str().context("the directory's path is not UTF-8")?;
        let server = SupervisedProcess::spawn(&place, &self.program, SERVER, &[settings])?;
        let address = (Ipv4Addr::LOCALHOST, self.port);
        server.wait_until(async || TcpStream::connect(address).await.is_ok()).await?;
        self.server = Some(server);
        Ok(())
    }
}

/// A private copy, made if there is none.
async fn find_or_install(cache: &Path, progress: Progress<'_>) -> Result<Program> {
    let identity = OsUser::of_servers();
    let (cache, _) = reachable(cache, identity)?;
    let message = "installing PgBouncer (private copy of Debian's package)…";
    let directory =
        private_copy(&cache, COPY, message, progress, async |directory| install(&directory).await).await?;
    let found = Program::ask(&directory.join("bin"), SERVER, None, identity).await;
    found.with_context(|| format!("the private copy in {} does not run: remove it", directory.display()))
}

async fn install(directory: &Path) -> Result<()> {
    unpack_from_sources(directory, PACKAGES, |sources| write_sources(sources, NEWER_RELEASE)).await?;
    let programs = directory.join("bin");
    fs::create_dir(&programs)?;
    // It becomes executable with the rest of the directory `bin`.
    fs::write(programs.join(SERVER), SCRIPT).context("cannot write PgBouncer's starter")
}
