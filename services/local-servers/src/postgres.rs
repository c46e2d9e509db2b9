//! The PostgreSQL server: making its data directory, starting and stopping it.
//!
//! Settings are given on the command line at every start, so that an existing data directory follows a newer program;
//! they are read by everyone who can list processes, and none is a secret.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;

use crate::Progress;
use crate::certificates::TlsDirectory;
use crate::command::{OsUser, run};
use crate::connection_info::{ADMIN, ConnectionInfo};
use crate::data_directory::OpenDataDirectory;
use crate::guard::Guard;
use crate::paths::make_server_directory;
use crate::ports;
use crate::process::{START_TIMEOUT, ServerCommand, ServerProcess, StopSteps, pid_file, stop_leftover};
use crate::provision::Program;
use shared::config::Secret;

pub(crate) const NAME: &str = "postgres";
const INITDB_TIMEOUT: Duration = Duration::from_secs(120);
/// Fast shutdown, then immediate (recovers at the next start), then by force.
const STOP_STEPS: &StopSteps = &[
    (Signal::INT, Duration::from_secs(60)),
    (Signal::QUIT, Duration::from_secs(10)),
    (Signal::KILL, Duration::from_secs(10)),
];
/// The longest path of a Unix socket, without the byte that ends it (unix(7)).
const MAX_SOCKET_PATH_BYTES: usize = 107;
/// What PostgreSQL calls its socket, with the longest port.
const SOCKET_NAME: &str = ".s.PGSQL.65535";
const UNFINISHED_PREFIX: &str = "postgres.unfinished-";
const BUILTIN_LOCALES_SINCE: u32 = 17;

/// A backup that is not fetched holds the log back only so far; past that it begins again with a base backup, and the
/// disk is not filled.
const LASTING: &[&str] = &["max_connections=300", "max_slot_wal_keep_size=4GB"];
/// Throwaway data: a crash may lose everything, so nothing waits for the disk.
const THROWAWAY: &[&str] = &[
    "max_connections=500",
    "shared_buffers=128MB",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_wal_size=256MB",
    "min_wal_size=32MB",
    "wal_init_zero=off",
    "wal_recycle=off",
];

/// A running PostgreSQL server.
pub struct PostgresServer {
    /// Loopback TCP port.
    pub port: u16,
    /// As the server names it, for example `18.6`.
    pub version: String,
    /// Its data directory.
    pub data: PathBuf,
    /// The directory with its programs (`postgres`, `initdb`; most packages also have `psql` and `pgbench`).
    pub programs: PathBuf,
    pub(crate) root: PathBuf,
    connection: ConnectionInfo,
    tls: Option<TlsDirectory>,
    /// Where it listens besides TCP: a message through a Unix socket costs both sides less. None with TLS, which means that
    /// nothing is sent in plain text.
    socket_directory: Option<PathBuf>,
    library_path: Option<String>,
    temporary: bool,
    durable: bool,
    identity: OsUser,
}

impl PostgresServer {
    /// The server on this data directory, not started yet, its database made if there is none.
    pub(crate) async fn prepare(
        data: &OpenDataDirectory,
        program: &Program,
        port: u16,
        tls: Option<TlsDirectory>,
        progress: Progress<'_>,
    ) -> Result<Self> {
        let server = Self {
            port,
            connection: data.connection_info(tls.as_ref().map(TlsDirectory::authority)),
            socket_directory: data
                .socket_directory()
                .filter(|directory| tls.is_none() && has_room(directory)),
            tls,
            library_path: program.library_path.clone(),
            version: program.version.clone(),
            data: data.postgres(),
            programs: program.directory.clone(),
            root: data.path.clone(),
            temporary: data.temporary,
            durable: data.durable,
            identity: data.identity,
        };
        if server.data.exists() {
            server.check_version(program)?;
        } else {
            progress("making the database…");
            server.make_database(program).await?;
        }
        Ok(server)
    }

    /// A connection URL of the superuser for this database (a plain name: it is not escaped).
    #[must_use]
    pub fn admin_url(&self, database: &str) -> Secret {
        self.connection.admin_url(self.port, database)
    }

    /// Where services connect, as the authority of a URL: the Unix socket if there is one, or else the loopback address.
    #[must_use]
    pub fn address(&self) -> String {
        let Some(directory) = &self.socket_directory else { return format!("127.0.0.1:{}", self.port) };
        let path = directory.to_string_lossy();
        format!("{}:{}", utf8_percent_encode(&path, NON_ALPHANUMERIC), self.port)
    }

    /// Password of the superuser [`ADMIN`].
    #[must_use]
    pub fn admin_password(&self) -> &str {
        self.connection.admin_password()
    }

    fn check_version(&self, program: &Program) -> Result<()> {
        let made_by = fs::read_to_string(self.data.join("PG_VERSION"))
            .with_context(|| format!("{} holds no database", self.data.display()))?;
        let made_by = made_by.trim();
        if made_by != program.major.to_string() {
            bail!(
                "{} was made by PostgreSQL {made_by}, but {} is version {}: \
                 pass --postgres-bin-dir with the programs of version {made_by}, or use another data directory",
                self.data.display(),
                program.directory.display(),
                program.version
            );
        }
        Ok(())
    }

    /// In a directory beside its place, renamed when whole: an interrupted `initdb` leaves nothing that looks finished.
    async fn make_database(&self, program: &Program) -> Result<()> {
        remove_unfinished(&self.root)?;
        let directory = self.root.join(format!("{UNFINISHED_PREFIX}{}", uuid::Uuid::new_v4().simple()));
        // Of the same prefix: what an interrupted start leaves is removed by the next one.
        let password_file = self.root.join(format!("{UNFINISHED_PREFIX}{}", uuid::Uuid::new_v4().simple()));
        make_server_directory(&directory, self.identity)?;
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&password_file)?;
        file.write_all(self.admin_password().as_bytes())?;
        self.identity.change_owner(&password_file)?;
        let mut command = self.identity.command(self.programs.join("initdb"));
        command.envs(self.library_path.as_ref().map(|path| ("LD_LIBRARY_PATH", path)));
        command.arg("-D").arg(&directory).arg("--pwfile").arg(&password_file).args([
            "--username",
            ADMIN,
            "--auth=scram-sha-256",
        ]);
        command.args(["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"]);
        if program.major >= BUILTIN_LOCALES_SINCE {
            command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
        }
        if self.temporary {
            command.arg("--no-sync");
        }
        let made = run(command, INITDB_TIMEOUT).await;
        fs::remove_file(&password_file)?;
        made?;
        fs::rename(&directory, &self.data).context("cannot move the new database into place")
    }

    /// Stops a server of ours left on this directory, and removes the pid file of one that is gone: by now its id may
    /// belong to any process, which would make PostgreSQL refuse to start.
    pub(crate) async fn stop_leftover(data: &OpenDataDirectory) -> Result<bool> {
        let directory = data.postgres();
        let own = directory.join("postmaster.pid");
        let mut found = false;
        for file in [pid_file(&data.path, NAME), own.clone()] {
            found |= stop_leftover(&file, NAME, &directory, STOP_STEPS).await?;
        }
        let pid = fs::read_to_string(&own)
            .ok()
            .and_then(|text| text.lines().next().map(|pid| pid.trim().to_owned()));
        if let Some(pid) = pid {
            // A server started by hand, with the directory spelt otherwise, keeps its file.
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim() != NAME {
                fs::remove_file(&own)?;
            }
        }
        Ok(found)
    }

    /// Starts it and waits until it takes connections.
    pub(crate) async fn start(&self, guard: &Guard) -> Result<ServerProcess> {
        self.start_with(guard, &[], START_TIMEOUT).await
    }

    /// As [`Self::start`], with more settings and for as long as recovering may take.
    pub(crate) async fn start_with(
        &self,
        guard: &Guard,
        settings: &[&str],
        limit: Duration,
    ) -> Result<ServerProcess> {
        ports::require_free("PostgreSQL", self.port)?;
        if let Some(directory) = &self.socket_directory {
            make_server_directory(directory, self.identity)?;
        }
        let command_line = ServerCommand {
            name: NAME,
            program: &self.programs.join(NAME),
            arguments: self.arguments(settings)?,
            library_path: self.library_path.as_deref(),
            input: String::new(),
            data: &self.root,
            identity: self.identity,
        };
        let mut process = ServerProcess::spawn(command_line, guard)?;
        let (status_file, pid) = (self.data.join("postmaster.pid"), process.id());
        process.wait_until(limit, || std::future::ready(is_ready(&status_file, pid))).await?;
        Ok(process)
    }

    /// Fast shutdown: transactions are rolled back, everything committed is on disk.
    pub(crate) async fn stop(&self, process: &mut ServerProcess) -> Result<()> {
        process.stop(STOP_STEPS).await
    }

    /// New connections find the certificate that is in the files now; those that stand stay.
    pub(crate) fn read_certificates(&self, process: &ServerProcess) -> Result<()> {
        process.signal(Signal::HUP)
    }

    fn arguments(&self, more: &[&str]) -> Result<Vec<String>> {
        let directory = self.data.to_str().context("the data directory's path is not UTF-8")?;
        let mut arguments: Vec<String> = ["-D", directory, "-p"].map(str::to_owned).into();
        arguments.push(self.port.to_string());
        // Quoted: the setting is a list.
        let sockets = self.socket_directory.as_ref().map_or_else(String::new, |directory| {
            format!("\"{}\"", directory.to_string_lossy().replace('"', "\"\""))
        });
        let sockets = format!("unix_socket_directories={sockets}");
        let always = [
            "listen_addresses=127.0.0.1",
            &sockets,
            "timezone=UTC",
            "log_timezone=UTC",
            "logging_collector=off",
        ];
        let tls = self.tls.as_ref().map(TlsDirectory::postgres_settings).unwrap_or_default();
        let statistics = self.has_statistics().then_some("shared_preload_libraries=pg_stat_statements");
        let settings = always
            .iter()
            .chain(if self.durable { LASTING } else { THROWAWAY })
            .chain(&statistics)
            .chain(more)
            .copied()
            .chain(tls.iter().map(String::as_str));
        arguments.extend(settings.flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
        Ok(arguments)
    }

    /// Whether the package has pg_stat_statements; the places are those of Debian, of the private copy and of a
    /// build from source.
    fn has_statistics(&self) -> bool {
        let Some(root) = self.programs.parent() else {
            return false;
        };
        ["lib", "lib/postgresql", "lib64"]
            .iter()
            .any(|place| root.join(place).join("pg_stat_statements.so").exists())
    }
}

fn has_room(directory: &Path) -> bool {
    directory.join(SOCKET_NAME).as_os_str().len() <= MAX_SOCKET_PATH_BYTES && directory.to_str().is_some()
}

/// The last line of `postmaster.pid` tells the server's state; this is also how `pg_ctl` waits.
fn is_ready(status_file: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(status_file).unwrap_or_default();
    let mut lines = text.lines();
    lines.next().is_some_and(|first| first.trim() == pid.to_string())
        && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

/// Best effort: an `initdb` whose starter was killed may still be writing there for a moment.
fn remove_unfinished(root: &Path) -> Result<()> {
    for entry in fs::read_dir(root)?.flatten() {
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(UNFINISHED_PREFIX) {
            continue;
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!(%error, path = %path.display(), "cannot remove an unfinished database");
        }
    }
    Ok(())
}
