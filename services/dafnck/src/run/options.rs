//! The options of the local suite.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
use content::storage::{BucketOptions, FileLimits};
use identity::{RegistrationMode, SessionOptions};
use project::WebhookOptions;
use shared::config::{CorsOptions, LimitOptions, ProxyOptions, TelemetryOptions};
use shared::mail::{Destination, Mailbox};

use local_servers::suite::DatabaseTopology;

use crate::paths::{DEFAULT_CACHE_DIRECTORY, DEFAULT_DATA_DIRECTORY};
use crate::ports::{PortOptions, Ports};
use crate::suite_settings::{BucketSettings, SuiteSettings};

/// Where everything runs, and where it keeps its data.
#[derive(Args, Clone, Debug)]
// Warnings only: the summary is to stay in sight.
#[command(mut_arg("log_filter", |argument| argument.default_value("warn")))]
pub struct RunOptions {
    /// Directory of the local suite: databases, files, logs, secrets, and where it runs; created if missing, kept
    #[arg(long, env = "DAFNCK_DATA_DIRECTORY", value_name = "DIRECTORY", default_value = DEFAULT_DATA_DIRECTORY, global = true)]
    pub data_directory: PathBuf,
    /// Directory for private copies of programs, which are fetched when no fitting ones are installed
    #[arg(long, env = "DAFNCK_CACHE_DIRECTORY", value_name = "DIRECTORY", default_value = DEFAULT_CACHE_DIRECTORY, global = true)]
    pub cache_directory: PathBuf,
    /// Ports of the services.
    #[command(flatten)]
    pub ports: PortOptions,
    /// Loopback port on which all services are served together. Default: that of the last time, at first 50050
    #[arg(long, env = "DAFNCK_GATEWAY_PORT")]
    pub gateway_port: Option<u16>,
    /// Serve the console, a page for browsers on this machine. Default: as the last time, at first yes
    #[arg(long, env = "DAFNCK_CONSOLE", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    pub console: Option<bool>,
    /// Loopback port of the console. Default: that of the last time, at first 50055
    #[arg(long, env = "DAFNCK_CONSOLE_PORT")]
    pub console_port: Option<u16>,
    /// One database for all services, or one for each, which then know of each other only what they are told. Default: as
    /// the last time, at first one
    #[arg(long, env = "DAFNCK_DATABASES", value_enum)]
    pub databases: Option<DatabaseTopology>,
    /// Speak TLS, and nothing else, to callers, between services, and to PostgreSQL and Redis; with certificates of a
    /// development authority, which are made and renewed in the directory `certificates` of the data directory. Default:
    /// as the last time, at first not
    #[arg(long, env = "DAFNCK_TLS", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    pub tls: Option<bool>,
    /// Loopback port of PostgreSQL. Default: that of the last time, at first 54320
    #[arg(long, env = "DAFNCK_POSTGRES_PORT")]
    pub postgres_port: Option<u16>,
    /// Loopback port of Redis. Default: that of the last time, at first 63790
    #[arg(long, env = "DAFNCK_REDIS_PORT")]
    pub redis_port: Option<u16>,
    /// Directory with `postgres` and `initdb`, version 16 or newer. Default: an installed one, else a private copy
    #[arg(long, env = "DAFNCK_POSTGRES_BIN_DIR")]
    pub postgres_bin_dir: Option<PathBuf>,
    /// Directory with `redis-server`, version 7 or newer. Default: an installed one, else a private copy
    #[arg(long, env = "DAFNCK_REDIS_BIN_DIR")]
    pub redis_bin_dir: Option<PathBuf>,
    /// S3 instead of the data directory, for files; remembered.
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
    /// Where webhooks may send.
    #[command(flatten)]
    pub webhooks: WebhookOptions,
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

impl RunOptions {
    /// Where the suite runs, and in which form: as the options say, else as the last time.
    pub(super) fn settings(&self) -> anyhow::Result<SuiteSettings> {
        let last = SuiteSettings::read(&self.data_directory)?.unwrap_or_default();
        Ok(SuiteSettings {
            ports: self.ports.ports.map_or(last.ports, |Ports(ports)| ports),
            gateway_port: self.gateway_port.unwrap_or(last.gateway_port),
            console: self.console.unwrap_or(last.console),
            console_port: self.console_port.unwrap_or(last.console_port),
            postgres_port: self.postgres_port.unwrap_or(last.postgres_port),
            redis_port: self.redis_port.unwrap_or(last.redis_port),
            databases: self.databases.unwrap_or(last.databases),
            tls: self.tls.unwrap_or(last.tls),
            bucket: BucketSettings::of(&last.bucket(&self.bucket)),
            ..last
        })
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
        let directory = tempfile::tempdir().unwrap();
        let on = |options: RunOptions| RunOptions { data_directory: directory.path().to_owned(), ..options };
        let settings = on(options.clone()).settings().unwrap();
        assert_eq!((settings.gateway_port, settings.ports), (50050, [50051, 50052, 50053, 50054]));
        assert_eq!((settings.console, settings.console_port), (true, 50055));
        assert_eq!((settings.postgres_port, settings.redis_port), (54320, 63790));
        assert_eq!(options.telemetry.log_filter, "warn");
    }

    #[test]
    fn what_is_not_given_is_as_the_last_time() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().to_str().unwrap();
        let settings = |arguments: &[&str]| {
            let words = [&["run", "--data-directory", data], arguments].concat();
            Command::parse_from(words).options.settings().unwrap()
        };
        let all = [
            "--ports",
            "6000",
            "--databases",
            "four",
            "--tls",
            "--storage-url",
            "s3://files",
            "--console=false",
        ];
        let first = settings(&all);
        assert_eq!((first.ports, first.tls, first.console), ([6000, 6001, 6002, 6003], true, false));
        first.write(directory.path()).unwrap();
        assert_eq!(settings(&[]), first);
        let other = settings(&["--ports", "7000", "--tls=false"]);
        assert_eq!(
            (other.ports, other.tls, other.databases),
            ([7000, 7001, 7002, 7003], false, first.databases)
        );
    }
}
