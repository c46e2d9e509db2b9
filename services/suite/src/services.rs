//! Starts the four services in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use identity::IdentityOptions;
use shared::clock::Clock;
use shared::config::{
    DatabaseOptions, LimitOptions, ProxyOptions, Secret, ServiceOptions, SiblingOptions, TelemetryOptions,
    TlsOptions,
};
use shared::mail::MailOptions;
use shared::service::Ground;
use shared::storage::StorageOptions;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Ports on which the suite serves by default: identity, project, task, content.
pub const DEFAULT_PORTS: [u16; 4] = [50051, 50052, 50053, 50054];
/// The services, in the order of [`DEFAULT_PORTS`].
pub const NAMES: [&str; 4] = [identity::NAME, project::NAME, task::NAME, content::NAME];

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DatabaseForm {
    /// All in one database, with foreign keys between the services.
    #[default]
    One,
    /// Each in a database of its own, which no other service may enter.
    Four,
}

impl DatabaseForm {
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
    /// `host:port` of PostgreSQL.
    pub postgres: String,
    /// Name of the database; of four, what comes before the name of the service.
    pub database: String,
    /// One database, or four.
    pub databases: DatabaseForm,
    /// Password of the services' roles.
    pub role_password: Secret,
    /// How it is reached.
    pub reaching: DatabaseOptions,
    /// Connections for requests, for each service.
    pub database_pool_size: u32,
    /// Redis.
    pub redis_url: Secret,
    /// What the names of all Redis keys begin with.
    pub redis_key_prefix: String,
    /// The folder of `dafnck dev-ca`, where everything is to be encrypted.
    pub certificates: Option<PathBuf>,
    /// Key of the calls between services.
    pub service_secret: Secret,
    /// What only identity needs.
    pub identity: IdentityOptions,
    /// Where mail goes.
    pub mail: MailOptions,
    /// Files.
    pub storage: StorageOptions,
    /// Proxies in front.
    pub proxies: ProxyOptions,
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
        let password = self.role_password.expose();
        let mode = if self.certificates.is_some() { "verify-full" } else { "disable" };
        format!("postgres://{}:{password}@{postgres}/{database}?sslmode={mode}", role.name()).into()
    }

    /// A file of the folder of `dafnck dev-ca`.
    pub(crate) fn certificate(&self, file: &str) -> Option<PathBuf> {
        self.certificates.as_ref().map(|folder| folder.join(file))
    }

    /// Whom a service believes, and how it is believed itself.
    pub(crate) fn tls_of(&self, name: &str) -> TlsOptions {
        TlsOptions {
            tls_certificate: self.certificate(&format!("{name}.pem")),
            tls_key: self.certificate(&format!("{name}.key")),
            tls_ca: self.certificate("ca.pem"),
            tls_client_ca: self.certificate("ca.pem"),
        }
    }

    /// How a service reaches its database.
    pub(crate) fn database(&self) -> DatabaseOptions {
        DatabaseOptions { database_tls_ca: self.certificate("ca.pem"), ..self.reaching.clone() }
    }

    /// The options of one service, which listens here and has these siblings.
    pub fn service(
        &self,
        name: &'static str,
        listen: SocketAddr,
        siblings: &SiblingOptions,
    ) -> ServiceOptions {
        ServiceOptions {
            listen,
            database_url: self.url_of(Role::requests_of(name)),
            worker_database_url: self.url_of(Role::work_of(name)),
            migration_database_url: None,
            database_pool_size: self.database_pool_size,
            database: self.database(),
            redis_url: self.redis_url.clone(),
            redis_key_prefix: self.redis_key_prefix.clone(),
            service_secret: self.service_secret.clone(),
            siblings: siblings.clone(),
            redis_tls_ca: self.certificate("ca.pem"),
            tls: self.tls_of(name),
            proxies: self.proxies.clone(),
            limits: self.limits.clone(),
            telemetry: self.telemetry.clone(),
        }
    }
}

/// The running services.
pub struct RunningServices {
    /// Where they are.
    pub siblings: SiblingOptions,
    shutdown: CancellationToken,
    serving: JoinSet<anyhow::Result<()>>,
}

/// Listens on these loopback ports; 0 is any free one.
///
/// # Errors
/// When a port is taken, naming the service and the port.
pub async fn listen(ports: [u16; 4]) -> anyhow::Result<[TcpListener; 4]> {
    let mut listeners = Vec::with_capacity(ports.len());
    for (port, name) in ports.into_iter().zip(NAMES) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        listeners.push(
            listener.with_context(|| format!("port {port}, on which {name} is to serve, is not free"))?,
        );
    }
    listeners.try_into().map_err(|_| anyhow::anyhow!("there are four services"))
}

/// Starts the four services.
///
/// # Errors
/// When an option is malformed.
pub fn start(options: &SuiteOptions, listeners: [TcpListener; 4]) -> anyhow::Result<RunningServices> {
    let [identity, project, task, content] = listeners;
    let scheme = if options.certificates.is_some() { "https" } else { "http" };
    let url = |listener: &TcpListener| anyhow::Ok(format!("{scheme}://{}", listener.local_addr()?));
    let siblings = SiblingOptions {
        identity_url: url(&identity)?,
        project_url: url(&project)?,
        task_url: url(&task)?,
        content_url: url(&content)?,
    };
    let shutdown = CancellationToken::new();
    let ground = |name: &'static str, listener: &TcpListener| {
        let service = options.service(name, listener.local_addr()?, &siblings);
        Ground::new(name, service, options.clock.clone(), shutdown.clone())
    };
    let mut serving = JoinSet::new();
    serving.spawn(identity::serve(
        ground(identity::NAME, &identity)?,
        options.identity.clone(),
        options.mail.clone(),
        identity,
    ));
    serving.spawn(project::serve(ground(project::NAME, &project)?, options.mail.clone(), project));
    serving.spawn(task::serve(ground(task::NAME, &task)?, task));
    serving.spawn(content::serve(ground(content::NAME, &content)?, options.storage.clone(), content));
    Ok(RunningServices { siblings, shutdown, serving })
}

impl RunningServices {
    /// Waits until a service stops by itself, which none should.
    ///
    /// # Errors
    /// Why it stopped.
    pub async fn failed(&mut self) -> anyhow::Result<()> {
        match self.serving.join_next().await {
            Some(outcome) => outcome?.context("a service stopped"),
            None => Ok(()),
        }
    }

    /// Stops the services and waits for their calls to end.
    ///
    /// # Errors
    /// When a service did not end well; the others have ended all the same.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        let mut first_failure = Ok(());
        while let Some(outcome) = self.serving.join_next().await {
            first_failure = first_failure.and(outcome.map_err(anyhow::Error::from).flatten());
        }
        first_failure
    }

    /// Tells the services to stop, without waiting.
    pub fn cancel(&self) {
        self.shutdown.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_service() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = other.local_addr().unwrap().port();
        let refusal = listen([0, 0, port, 0]).await.unwrap_err();
        assert_eq!(refusal.to_string(), format!("port {port}, on which task is to serve, is not free"));
    }
}
