//! The options of a service, from flags or `DAFNCK_…` environment variables; `--help` is their reference.
//!
//! Every option can also be set in code: the local suite and the tests build [`ServiceOptions`] themselves.

mod keys;
mod limits;
mod origin;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use ipnetwork::IpNetwork;

pub use keys::*;
pub use limits::*;
pub use origin::Origin;

/// Ports on which the services serve by default: identity, project, task, content.
pub const DEFAULT_PORTS: [u16; 4] = [50051, 50052, 50053, 50054];
/// Connections to PostgreSQL that a service keeps at most.
pub const DEFAULT_DATABASE_POOL_SIZE: u32 = 16;
/// How long a statement may take before it is logged, in milliseconds.
pub const DEFAULT_SLOW_STATEMENT_MILLISECONDS: u64 = 500;
/// What the names of all Redis keys and channels begin with.
pub const DEFAULT_REDIS_KEY_PREFIX: &str = "dafnck";

/// A value that never appears in logs, `--help` or error messages.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        Ok(value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// What one service needs to run. Give secrets through the environment: flags show in process lists.
#[derive(Args, Clone, Debug)]
pub struct ServiceOptions {
    /// Address and port to serve gRPC and gRPC-Web on, as `0.0.0.0:50051`. No default
    #[arg(long, env = "DAFNCK_LISTEN")]
    pub listen: SocketAddr,
    /// PostgreSQL URL with the role that serves requests (row security applies to it). No default
    #[arg(long, env = "DAFNCK_DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    /// PostgreSQL URL with the role of background work: feeds, expiry. No default
    #[arg(long, env = "DAFNCK_WORKER_DATABASE_URL", hide_env_values = true)]
    pub worker_database_url: Secret,
    /// PostgreSQL URL with the role that owns the tables; when set, the service migrates its schema as it starts.
    /// Default: not set, migrations are applied by `dafnck migrate`
    #[arg(long, env = "DAFNCK_MIGRATION_DATABASE_URL", hide_env_values = true)]
    pub migration_database_url: Option<Secret>,
    /// Connections to PostgreSQL that the service keeps at most, for requests
    #[arg(long, env = "DAFNCK_DATABASE_POOL_SIZE", default_value_t = DEFAULT_DATABASE_POOL_SIZE,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub database_pool_size: u32,
    /// How the service reaches its database.
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// Redis URL, as `redis://user:password@host:6379`, or nodes of a cluster, as
    /// `redis-cluster://user:password@one:6379,two:6379`; `rediss` for TLS. No default
    #[arg(long, env = "DAFNCK_REDIS_URL", hide_env_values = true)]
    pub redis_url: Secret,
    /// PEM file with the authorities that Redis' certificate is checked against. Given, a URL that is not one of `rediss`
    /// is refused. Default: the system's, at `rediss` URLs
    #[arg(long, env = "DAFNCK_REDIS_TLS_CA")]
    pub redis_tls_ca: Option<PathBuf>,
    /// What the names of all Redis keys and channels begin with; the same for all services of a suite
    #[arg(long, env = "DAFNCK_REDIS_KEY_PREFIX", default_value = DEFAULT_REDIS_KEY_PREFIX)]
    pub redis_key_prefix: String,
    /// Who the service is, and who else there is.
    #[command(flatten)]
    pub principals: PrincipalOptions,
    /// What its tokens are derived from.
    #[command(flatten)]
    pub derivation: DerivationOptions,
    /// Where the services of the suite are.
    #[command(flatten)]
    pub siblings: SiblingOptions,
    /// Certificates.
    #[command(flatten)]
    pub tls: TlsOptions,
    /// Proxies in front of the service.
    #[command(flatten)]
    pub proxies: ProxyOptions,
    /// Web pages that may call the service.
    #[command(flatten)]
    pub cors: CorsOptions,
    /// Limits on work.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Logs, traces and metrics.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
}

/// How a service reaches its database.
#[derive(Args, Clone, Debug, Default)]
pub struct DatabaseOptions {
    /// PEM file with the authorities that PostgreSQL's certificate is checked against, chain and name, where a URL names
    /// none itself (`sslrootcert`). Given, plain text is refused unless the URL says `sslmode=disable`. Default: the
    /// system's, where the URL says `sslmode=verify-full` or `require`
    #[arg(long, env = "DAFNCK_DATABASE_TLS_CA")]
    pub database_tls_ca: Option<PathBuf>,
}

/// Where the services of the suite are: URLs with scheme `http` or `https`.
#[derive(Args, Clone, Debug)]
pub struct SiblingOptions {
    /// URL of the identity service
    #[arg(long, env = "DAFNCK_IDENTITY_URL", default_value_t = local_url(DEFAULT_PORTS[0]))]
    pub identity_url: String,
    /// URL of the project service
    #[arg(long, env = "DAFNCK_PROJECT_URL", default_value_t = local_url(DEFAULT_PORTS[1]))]
    pub project_url: String,
    /// URL of the task service
    #[arg(long, env = "DAFNCK_TASK_URL", default_value_t = local_url(DEFAULT_PORTS[2]))]
    pub task_url: String,
    /// URL of the content service
    #[arg(long, env = "DAFNCK_CONTENT_URL", default_value_t = local_url(DEFAULT_PORTS[3]))]
    pub content_url: String,
}

impl Default for SiblingOptions {
    fn default() -> Self {
        let [identity_url, project_url, task_url, content_url] = DEFAULT_PORTS.map(local_url);
        Self { identity_url, project_url, task_url, content_url }
    }
}

fn local_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Certificates, as PEM files; they are read again when they change. Without them the service speaks plain text, for a
/// loopback or a mesh.
#[derive(Args, Clone, Debug, Default)]
pub struct TlsOptions {
    /// PEM file with the service's certificate chain, for its server and towards siblings; turns TLS on: plain text is
    /// refused then. Default: not set
    #[arg(long, env = "DAFNCK_TLS_CERTIFICATE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key of that certificate. Default: not set
    #[arg(long, env = "DAFNCK_TLS_KEY", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// PEM file with the authorities that sibling services at `https` URLs are checked against.
    /// Default: the system's
    #[arg(long, env = "DAFNCK_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// PEM file with the authorities of the certificates that services show each other. Set, a caller is trusted to be a
    /// service only with such a certificate, and siblings are called at `https` URLs only. Default: not set
    #[arg(long, env = "DAFNCK_TLS_CLIENT_CA", requires = "tls_certificate")]
    pub tls_client_ca: Option<PathBuf>,
}

/// Proxies in front of the service, which forward the addresses of clients.
#[derive(Args, Clone, Debug, Default)]
pub struct ProxyOptions {
    /// Networks of the proxies that are trusted when they say where a call comes from, as
    /// `10.0.0.0/8,fd00::/8`. Default: none, a call comes from the other end of the connection
    #[arg(long, env = "DAFNCK_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNetwork>,
    /// The header in which they say it; they must replace or extend the one that a client sends
    #[arg(long, env = "DAFNCK_FORWARDED_HEADER", value_enum, default_value_t)]
    pub forwarded_header: ForwardedHeader,
}

/// Web pages that may call the service from a browser, with gRPC-Web.
#[derive(Args, Clone, Debug, Default)]
pub struct CorsOptions {
    /// Origins of web pages whose scripts may call the service (CORS), as
    /// `https://app.example.org,http://localhost:5173`. Default: none
    #[arg(long, env = "DAFNCK_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<Origin>,
}

/// A header with the address that a call comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ForwardedHeader {
    /// `x-forwarded-for`: addresses, each proxy adding the one it saw.
    #[default]
    XForwardedFor,
    /// `forwarded` (RFC 7239).
    Forwarded,
}

/// Logs, traces and metrics.
#[derive(Args, Clone, Debug)]
pub struct TelemetryOptions {
    /// Form of the log lines on standard error
    #[arg(long, env = "DAFNCK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// What is logged and traced: a level, or `tracing-subscriber` directives as `info,shared=debug`
    #[arg(long, env = "DAFNCK_LOG_FILTER", default_value = "info")]
    pub log_filter: String,
    /// URL of an OpenTelemetry collector (OTLP over gRPC) that gets traces, metrics and logs, as
    /// `http://collector:4317`. Default: not set, nothing is sent
    #[arg(long, env = "DAFNCK_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Address and port on which Prometheus finds the metrics at `/metrics`, in plain text and open to everybody who
    /// reaches it, as `127.0.0.1:9464`. Default: not set, there is no such port
    #[arg(long, env = "DAFNCK_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Statements that take longer are logged, without their values, with the trace id of the call that they are for
    #[arg(long, env = "DAFNCK_SLOW_STATEMENT_MILLISECONDS", default_value_t = DEFAULT_SLOW_STATEMENT_MILLISECONDS,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub slow_statement_milliseconds: u64,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Human,
            log_filter: "info".into(),
            otlp_endpoint: None,
            metrics_listen: None,
            slow_statement_milliseconds: DEFAULT_SLOW_STATEMENT_MILLISECONDS,
        }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line, for collectors.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: ServiceOptions,
    }

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIARXSiDqipl8xkLJ1cZAX1FbdPuaEmAcedp6EtGQ4YIp\n-----END PRIVATE KEY-----";
    const REQUIRED: [&str; 15] = [
        "service",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "postgres://u:hunter2@h/d",
        "--worker-database-url",
        "postgres://w:hunter2@h/d",
        "--redis-url",
        "redis://:hunter2@h",
        "--service-key",
        KEY,
        "--principal-keys",
        "task:JahmlhL7awba/vCzcBqXOeGmUnYL0nuxLrzgDhQnLJ4=",
        "--derivation-secret",
        "hunter2-hunter2-hunter2-hunter2-",
    ];

    #[test]
    fn the_command_is_well_formed() {
        Command::command().debug_assert();
    }

    #[test]
    fn secrets_are_never_printed() {
        let options = Command::try_parse_from(REQUIRED).unwrap().options;
        assert!(!format!("{options:?}").contains("hunter2"));
        assert!(!format!("{options:?}").contains("RXSiDqipl8"));
        assert_eq!(options.derivation.derivation_secret.expose(), "hunter2-hunter2-hunter2-hunter2-");
    }

    #[test]
    fn a_short_secret_is_refused_without_being_printed() {
        let short = REQUIRED.map(|word| if word.ends_with("hunter2-") { "hunter2" } else { word });
        let refusal = Command::try_parse_from(short).err().unwrap().to_string();
        assert!(refusal.contains("shorter than 32 bytes"), "{refusal}");
    }

    #[test]
    fn the_defaults_in_code_are_those_of_the_command_line() {
        let options = Command::try_parse_from(REQUIRED).unwrap().options;
        assert_eq!(format!("{:?}", options.siblings), format!("{:?}", SiblingOptions::default()));
        assert_eq!(format!("{:?}", options.database), format!("{:?}", DatabaseOptions::default()));
        assert_eq!(format!("{:?}", options.proxies), format!("{:?}", ProxyOptions::default()));
        assert_eq!(options.cors.allowed_origins, CorsOptions::default().allowed_origins);
        assert_eq!(format!("{:?}", options.limits), format!("{:?}", LimitOptions::default()));
        assert_eq!(format!("{:?}", options.telemetry), format!("{:?}", TelemetryOptions::default()));
        assert_eq!(options.database_pool_size, DEFAULT_DATABASE_POOL_SIZE);
    }

    #[test]
    fn every_option_has_a_help_text_and_an_environment_variable() {
        for argument in Command::command().get_arguments() {
            let name = argument.get_id().as_str();
            assert!(argument.get_help().is_some(), "{name} has no help");
            let variable = argument.get_env().and_then(|env| env.to_str()).unwrap_or_default();
            assert!(variable.starts_with("DAFNCK_"), "{name} has no variable");
        }
    }
}
