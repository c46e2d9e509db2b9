//! The whole suite on one machine: its services, their ports, databases, roles and options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use shared::clock::Clock;
use shared::config::{
    CorsOptions, DatabaseOptions, LimitOptions, ProxyOptions, Secret, ServiceOptions, SiblingOptions,
    TelemetryOptions, TlsOptions,
};
use shared::mail::MailOptions;

use crate::redis_users::RedisUsers;
use crate::role_passwords::RolePasswords;
use crate::suite_keys::SuiteKeys;

/// Port on which the suite serves all of them together by default.
pub const DEFAULT_GATEWAY_PORT: u16 = 50050;
/// The services, in the order of [`shared::config::DEFAULT_PORTS`].
pub const NAMES: [&str; 4] = ["identity", "project", "task", "content"];

/// A PostgreSQL role that signs in.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    service: &'static str,
    kind: &'static str,
}

impl Role {
    /// Every role of every service.
    pub const ALL: [Self; 8] = {
        let [i, p, t, c] = NAMES;
        [
            Self::requests_of(i),
            Self::work_of(i),
            Self::requests_of(p),
            Self::work_of(p),
            Self::requests_of(t),
            Self::work_of(t),
            Self::requests_of(c),
            Self::work_of(c),
        ]
    };

    /// The role that serves a service's requests.
    pub const fn requests_of(service: &'static str) -> Self {
        Self { service, kind: "service" }
    }

    /// The role of a service's background work.
    pub const fn work_of(service: &'static str) -> Self {
        Self { service, kind: "worker" }
    }

    /// The roles of one service.
    pub const fn of(service: &'static str) -> [Self; 2] {
        [Self::requests_of(service), Self::work_of(service)]
    }

    /// The service that it is of.
    pub const fn service(self) -> &'static str {
        self.service
    }

    /// Its name in PostgreSQL.
    pub fn name(self) -> String {
        format!("{}_{}", self.service, self.kind)
    }
}

/// How the services' schemas are spread over databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseTopology {
    /// All in one database, with foreign keys between the services.
    #[default]
    One,
    /// Each in a database of its own, which no other service may enter.
    Four,
}

impl DatabaseTopology {
    /// The database of a service, where `shared` is the name of the one database.
    pub fn database_of(self, service: &str, shared: &str) -> String {
        match self {
            Self::One => shared.to_owned(),
            Self::Four => format!("{shared}_{service}"),
        }
    }
}

/// What the four services share.
#[derive(Clone, Debug)]
pub struct SuiteOptions {
    /// `host:port` of PostgreSQL; the host may be the encoded directory of a Unix socket.
    pub postgres: String,
    /// Name of the database; of four, what comes before the name of the service.
    pub database: String,
    /// One database, or four.
    pub databases: DatabaseTopology,
    /// Passwords of the services' roles.
    pub role_passwords: RolePasswords,
    /// Connections for requests, for each service.
    pub database_pool_size: u32,
    /// Redis, for its administrator.
    pub redis_url: Secret,
    /// The services' users there.
    pub redis_users: RedisUsers,
    /// What the names of all Redis keys begin with.
    pub redis_key_prefix: String,
    /// The directory of `dafnck dev-ca`, where everything is to be encrypted.
    pub certificates: Option<PathBuf>,
    /// Who the services are, and what they derive tokens from.
    pub keys: SuiteKeys,
    /// Where mail goes.
    pub mail: MailOptions,
    /// Proxies in front.
    pub proxies: ProxyOptions,
    /// Web pages that may call.
    pub cors: CorsOptions,
    /// Limits on work.
    pub limits: LimitOptions,
    /// Logs, traces and metrics.
    pub telemetry: TelemetryOptions,
    /// The time that lifetimes are measured by.
    pub clock: Clock,
}

impl SuiteOptions {
    /// The URL under which a role signs in.
    pub fn url_of(&self, role: Role) -> Secret {
        let Self { postgres, .. } = self;
        let database = self.databases.database_of(role.service, &self.database);
        let name = role.name();
        let password = self.role_passwords.of(&name).map_or("", Secret::expose);
        let mode = if self.certificates.is_some() { "verify-full" } else { "disable" };
        format!("postgres://{name}:{password}@{postgres}/{database}?sslmode={mode}").into()
    }

    /// A file of the directory of `dafnck dev-ca`.
    pub fn certificate(&self, file: &str) -> Option<PathBuf> {
        self.certificates.as_ref().map(|directory| directory.join(file))
    }

    /// Whom a service trusts, and how it is trusted itself.
    pub fn tls_of(&self, name: &str) -> TlsOptions {
        TlsOptions {
            tls_certificate: self.certificate(&format!("{name}.pem")),
            tls_key: self.certificate(&format!("{name}.key")),
            tls_ca: self.certificate("ca.pem"),
            tls_client_ca: self.certificate("ca.pem"),
        }
    }

    /// How a service reaches its database.
    pub fn database(&self) -> DatabaseOptions {
        DatabaseOptions { database_tls_ca: self.certificate("ca.pem") }
    }

    /// The options of one service, which listens here and has these siblings.
    pub fn service(
        &self,
        name: &'static str,
        listen: SocketAddr,
        siblings: &SiblingOptions,
    ) -> ServiceOptions {
        let (principals, derivation) = self.keys.options_of(name);
        ServiceOptions {
            listen,
            database_url: self.url_of(Role::requests_of(name)),
            worker_database_url: self.url_of(Role::work_of(name)),
            migration_database_url: None,
            database_pool_size: self.database_pool_size,
            database: self.database(),
            redis_url: self.redis_users.url_of(name, &self.redis_url),
            redis_key_prefix: self.redis_key_prefix.clone(),
            principals,
            derivation,
            siblings: siblings.clone(),
            redis_tls_ca: self.certificate("ca.pem"),
            tls: self.tls_of(name),
            proxies: self.proxies.clone(),
            cors: self.cors.clone(),
            limits: self.limits.clone(),
            telemetry: self.telemetry.clone(),
        }
    }
}
