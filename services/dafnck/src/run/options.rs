//! The options of the local suite.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use content::storage::{BucketOptions, FileLimits};
use identity::{RegistrationMode, SessionOptions};
use shared::config::{CorsOptions, LimitOptions, ProxyOptions, TelemetryOptions};
use shared::mail::{Destination, Mailbox};

use local_servers::suite::{DEFAULT_GATEWAY_PORT, DEFAULT_PORTS, DatabaseTopology};

use crate::paths::{DEFAULT_CACHE_DIRECTORY, DEFAULT_DATA_DIRECTORY};

/// Where everything runs, and where it keeps its data.
#[derive(Args, Clone, Debug)]
// Warnings only: the summary is to stay in sight.
#[command(mut_arg("log_filter", |argument| argument.default_value("warn")))]
pub struct RunOptions {
    /// Directory for databases, files, logs and secrets; made if missing, kept
    #[arg(long, env = "DAFNCK_DATA_DIRECTORY", default_value = DEFAULT_DATA_DIRECTORY)]
    pub data_directory: PathBuf,
    /// Directory for private copies of PostgreSQL and Redis, which are fetched when no fitting ones are installed
    #[arg(long, env = "DAFNCK_CACHE_DIRECTORY", default_value = DEFAULT_CACHE_DIRECTORY)]
    pub cache_directory: PathBuf,
    /// Loopback ports of identity, project, task and content: four with commas, or the first of four in a row
    #[arg(long, env = "DAFNCK_PORTS", default_value_t)]
    pub ports: Ports,
    /// Loopback port on which all services are served together
    #[arg(long, env = "DAFNCK_GATEWAY_PORT", default_value_t = DEFAULT_GATEWAY_PORT)]
    pub gateway_port: u16,
    /// One database for all services, or one for each, which then know of each other only what they are told
    #[arg(long, env = "DAFNCK_DATABASES", value_enum, default_value_t)]
    pub databases: DatabaseTopology,
    /// Speak TLS, and nothing else, to callers, between services, and to PostgreSQL and Redis; with certificates of a
    /// development authority, which are made and renewed in the directory `certificates` of the data directory
    #[arg(long, env = "DAFNCK_TLS")]
    pub tls: bool,
    /// Loopback port of PostgreSQL
    #[arg(long, env = "DAFNCK_POSTGRES_PORT", default_value_t = 54320)]
    pub postgres_port: u16,
    /// Loopback port of Redis
    #[arg(long, env = "DAFNCK_REDIS_PORT", default_value_t = 63790)]
    pub redis_port: u16,
    /// Directory with `postgres` and `initdb`, version 16 or newer. Default: an installed one, else a private copy
    #[arg(long, env = "DAFNCK_POSTGRES_BIN_DIR")]
    pub postgres_bin_dir: Option<PathBuf>,
    /// Directory with `redis-server`, version 7 or newer. Default: an installed one, else a private copy
    #[arg(long, env = "DAFNCK_REDIS_BIN_DIR")]
    pub redis_bin_dir: Option<PathBuf>,
    /// S3 instead of the data directory, for files.
    #[command(flatten)]
    pub bucket: BucketOptions,
    /// Limits of files.
    #[command(flatten)]
    pub files: FileLimits,
    /// Where mail goes: `smtps://user:password@host:465`, `smtp://user:password@host:587` (STARTTLS), `folder:PATH` or
    /// `log:`. Default: the directory `mail` in the data directory
    #[arg(long, env = "DAFNCK_MAIL_URL", hide_env_values = true)]
    pub mail_url: Option<Destination>,
    /// The sender of mail
    #[arg(long, env = "DAFNCK_MAIL_FROM", default_value = "DafnckMachine <no-reply@localhost>")]
    pub mail_from: Mailbox,
    /// Lifetimes and number of sessions.
    #[command(flatten)]
    pub sessions: SessionOptions,
    /// How accounts are made: `direct`, in one call, which tells anybody whether an address has an account; or
    /// `confirmed`, in two, with a code from a mail between them
    #[arg(long, env = "DAFNCK_REGISTRATION", value_enum, default_value = "direct")]
    pub registration: RegistrationMode,
    /// Proxies in front of the services.
    #[command(flatten)]
    pub proxies: ProxyOptions,
    /// Web pages that may call the services.
    #[command(flatten)]
    pub cors: CorsOptions,
    /// Limits on work.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Logs, traces and metrics.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
}

/// The services' ports, in the order of [`crate::services::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports(pub [u16; 4]);

impl Default for Ports {
    fn default() -> Self {
        Self(DEFAULT_PORTS)
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || format!("`{text}` is neither a port with three after it nor four ports with commas");
        let ports: Result<Vec<u16>, _> = text.split(',').map(|port| port.trim().parse()).collect();
        match *ports.map_err(|_| usage())? {
            [first @ 1..=65532] => Ok(Self([first, first + 1, first + 2, first + 3])),
            [a, b, c, d] if ![a, b, c, d].contains(&0) => Ok(Self([a, b, c, d])),
            _ => Err(usage()),
        }
    }
}

impl std::fmt::Display for Ports {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = self.0;
        write!(out, "{a},{b},{c},{d}")
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: RunOptions,
    }

    #[test]
    fn the_defaults_are_those_of_the_readme() {
        Command::command().debug_assert();
        let options = Command::parse_from(["run"]).options;
        assert_eq!((options.gateway_port, options.ports.0), (50050, DEFAULT_PORTS));
        assert_eq!((options.postgres_port, options.redis_port), (54320, 63790));
        assert_eq!(options.telemetry.log_filter, "warn");
    }

    #[test]
    fn ports_are_four_in_a_row_or_one_by_one() {
        assert_eq!("6000".parse(), Ok(Ports([6000, 6001, 6002, 6003])));
        assert_eq!("1, 2,3,4".parse(), Ok(Ports([1, 2, 3, 4])));
        for wrong in ["", "0", "65533", "1,2,3", "1,2,3,0", "x"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
    }
}
