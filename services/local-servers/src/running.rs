//! The PostgreSQL server that another process of ours runs on a data directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::OsUser;
use crate::connection_info::ConnectionInfo;
use crate::passwords::POSTGRES;
use crate::paths;
use crate::postgres::NAME;
use shared::config::Secret;

/// How to reach the running server of a data directory.
#[derive(Clone)]
pub struct RunningPostgres {
    /// Process id of the server, the parent of all its processes.
    pub process_id: u32,
    /// Loopback TCP port.
    pub port: u16,
    /// The directory of its Unix socket, or the loopback address if it has none.
    pub host: String,
    /// How clients reach it.
    pub connection: ConnectionInfo,
    /// The directory with its programs.
    pub programs: PathBuf,
    /// The data directory really used, with the servers' passwords in `secrets`.
    pub data: PathBuf,
}

impl RunningPostgres {
    /// The server that runs on this data directory.
    ///
    /// # Errors
    /// When none does.
    pub fn find(data_directory: &Path) -> Result<Self> {
        let data = paths::reachable_path(data_directory, OsUser::of_servers())?;
        let none = || format!("no suite runs on {}: start `dafnck` first", data_directory.display());
        let connection = ConnectionInfo::of(data_directory).with_context(none)?;
        let status = fs::read_to_string(data.join(POSTGRES).join("postmaster.pid")).with_context(none)?;
        let (process_id, port, host) = read_status(&status).with_context(none)?;
        let program = fs::read_link(format!("/proc/{process_id}/exe")).with_context(none)?;
        anyhow::ensure!(program.file_name().is_some_and(|name| name == NAME), none());
        let programs = program.parent().with_context(none)?.to_owned();
        Ok(Self { process_id, port, host, connection, programs, data })
    }

    /// A connection URL of the superuser for this database (a plain name: it is not escaped).
    #[must_use]
    pub fn admin_url(&self, database: &str) -> Secret {
        self.connection.admin_url(self.port, database)
    }
}

/// Process id, port and host, from `postmaster.pid`.
fn read_status(status: &str) -> Option<(u32, u16, String)> {
    let lines: Vec<&str> = status.lines().map(str::trim).collect();
    let [process_id, _directory, _started_at, port, socket_directory, address, ..] = lines.as_slice() else {
        return None;
    };
    let host = if socket_directory.is_empty() { address } else { socket_directory };
    Some((process_id.parse().ok()?, port.parse().ok()?, (*host).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_file_tells_process_port_and_host() {
        let status = |socket: &str| {
            format!("4711\n/data/postgres\n1795570593\n54320\n{socket}\n127.0.0.1\n  1234 5\nready   \n")
        };
        assert_eq!(read_status(&status("")), Some((4711, 54320, "127.0.0.1".to_owned())));
        assert_eq!(read_status(&status("/data/socket")), Some((4711, 54320, "/data/socket".to_owned())));
        assert_eq!(read_status("4711\n"), None);
    }

    #[test]
    fn a_directory_without_a_server_says_what_to_do() {
        let directory = std::env::temp_dir().join(format!("dafnck-none-{}", uuid::Uuid::new_v4()));
        let refusal = RunningPostgres::find(&directory).err().expect("none runs").to_string();
        assert!(refusal.contains("start `dafnck` first") && !directory.exists(), "{refusal}");
    }
}
