//! Test harness: real PostgreSQL and Redis servers, a database per test, the real server stack over real connections, and
//! actors who call it.
//!
//! The servers start with the first test of a test binary and end with its process, however that ends.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is a test's report"
)]

mod actor;
mod bucket;
mod certificates;
mod chromium;
mod databases;
mod debian_release;
mod envoy;
mod harness;
pub mod keys;
mod mail;
mod mermaid;
mod migration_sets;
mod newer_packages;
mod options;
mod pgbouncer;
mod poll;
mod programs;
mod promtool;
mod redis_cluster;
mod redis_contents;
mod rolling_update;
mod round_trips;
mod running_suite;
mod servers;
mod service_process;
mod sidecars;
mod slow_link;
mod small_disk;
mod summary;
mod supervised_process;
mod target_cluster;
mod topology;
mod topology_servers;
mod workspace;
mod write_load;

pub use actor::{Actor, Bearer, Service};
pub use bucket::Bucket;
pub use chromium::{Chromium, Key};
pub use envoy::{ENVOY_VERSION, Envoy};
pub use harness::Harness;
pub use local_servers::tools::free_port;
pub use mail::Mail;
pub use mermaid::mermaid_script;
pub use migration_sets::{reference_set, service_sets};
pub use newer_packages::newer_packages;
pub use options::SuiteOptions;
pub use pgbouncer::PgBouncer;
pub use poll::{until, until_ok};
pub use programs::program;
pub use promtool::promtool;
pub use redis_cluster::RedisCluster;
pub use rolling_update::replace_under_load;
pub use round_trips::RoundTrips;
pub use running_suite::{RunningSuite, StartService};
pub use service_process::{ServiceProcess, terminate};
pub use sidecars::Sidecars;
pub use small_disk::SmallDisk;
pub use summary::{reason_of, summary, violations};
pub use target_cluster::TargetCluster;
pub use topology::{Encryption, Pooling, RedisTopology, Topology};
pub use workspace::cache as package_cache;
pub use write_load::{WriteLoad, create_task, kill_under_load, task_writer};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use local_servers::LocalServers;
use local_servers::suite::{self, DatabaseTopology, NAMES};
use shared::clock::Clock;
use shared::config::{CorsOptions, LimitOptions, ProxyOptions, Secret, SiblingOptions, TelemetryOptions};
use shared::mail::{Destination, MailOptions};
use shared::redis_store::RedisStore;
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use uuid::Uuid;

/// Largest attachment unless a test says otherwise.
pub const MAX_ATTACHMENT_BYTES: u64 = 8 * 1024 * 1024;
/// Subdirectory of a suite's directory in which content keeps files.
pub const FILES: &str = "files";
/// A key of 32 bytes with the id `test`.
pub const ENCRYPTION_KEYS: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Services on a database of their own.
pub struct Suite {
    pub options: SuiteOptions,
    pub siblings: SiblingOptions,
    /// The superuser's URL of the only database or identity's.
    pub admin_url: Secret,
    /// Only in a suite that was started alone.
    pub servers: Option<LocalServers>,
    /// Only in a suite that was started alone.
    pub sidecars: Sidecars,
    running: Option<RunningSuite>,
    services: running_suite::Services,
    files: TempDir,
}

impl Suite {
    /// A channel to a service, without a session.
    pub fn channel(&self, service: Service) -> Channel {
        let url = match service {
            Service::Identity => &self.siblings.identity_url,
            Service::Project => &self.siblings.project_url,
            Service::Task => &self.siblings.task_url,
            Service::Content => &self.siblings.content_url,
        };
        channel_to(url, self.authority().as_ref())
    }

    /// Where the services of this process are served together; see [`Harness::with_gateway`].
    pub fn gateway_url(&self) -> &str {
        self.running.as_ref().expect("the suite is stopped").gateway_url()
    }

    /// A channel to that.
    pub fn gateway_channel(&self) -> Channel {
        channel_to(self.gateway_url(), self.authority().as_ref())
    }

    /// The certificate authority of the services, with TLS.
    fn authority(&self) -> Option<Certificate> {
        let file = self.options.certificate("ca.pem")?;
        Some(Certificate::from_pem(std::fs::read(file).unwrap()))
    }

    /// An actor without a session.
    pub fn anonymous(&self) -> Actor {
        Actor::anonymous(self)
    }

    /// Registers a user and signs in.
    pub async fn user(&self, name: &str) -> Actor {
        Actor::register(self, name).await
    }

    /// Registers users and signs them in.
    pub async fn users<const N: usize>(&self, names: [&str; N]) -> [Actor; N] {
        futures::future::join_all(names.map(|name| self.user(name))).await.try_into().ok().unwrap()
    }

    /// Inserts a user with a session into the database. This needs no identity service and no password hash.
    pub async fn guest(&self, name: &str) -> Actor {
        Actor::plant(self, name).await
    }

    /// Guests; see [`Self::guest`].
    pub async fn guests<const N: usize>(&self, names: [&str; N]) -> [Actor; N] {
        futures::future::join_all(names.map(|name| self.guest(name))).await.try_into().ok().unwrap()
    }

    /// Clients that authenticate as a service or another principal, with its key. With TLS they present the operator's
    /// certificate.
    pub fn as_service(&self, name: &str) -> shared::siblings::Siblings {
        let tls = self.options.tls_of("operator");
        shared::siblings::Siblings::new(&self.siblings, &tls, &keys::signer(name)).unwrap()
    }

    /// The Redis store with the services' options, as the administrator.
    pub fn redis(&self) -> RedisStore {
        self.redis_at(&self.options.redis_url)
    }

    /// The Redis store as a service uses it.
    pub fn redis_of(&self, service: &str) -> RedisStore {
        self.redis_at(&self.options.redis_users.url_of(service, &self.options.redis_url))
    }

    fn redis_at(&self, url: &Secret) -> RedisStore {
        let authority = self.options.certificate("ca.pem");
        RedisStore::with_ca(authority.as_deref(), url, &self.options.redis_key_prefix).unwrap()
    }

    /// Starts the services again after [`Self::stop`], on other ports.
    pub async fn restart(&mut self) {
        let running = self.start_replica(&self.options).await;
        self.siblings = running.siblings().clone();
        self.running = Some(running);
    }

    /// Starts a second instance of the services with these options, on other ports.
    pub async fn start_replica(&self, options: &SuiteOptions) -> RunningSuite {
        RunningSuite::start(&self.services, options, self.files.path()).await
    }

    /// Stops the services after their open calls have ended.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}

/// The options of a suite in the plain topology.
fn plain_options(
    servers: &servers::Servers,
    database: &str,
    databases: DatabaseTopology,
    files: &Path,
) -> suite::SuiteOptions {
    suite::SuiteOptions {
        postgres: servers.postgres_address().to_string(),
        database: database.to_owned(),
        databases,
        role_passwords: servers.role_passwords.clone(),
        database_pool_size: 4,
        redis_url: servers.local.redis.url(),
        redis_users: servers.local.redis.users().clone(),
        redis_key_prefix: database.to_owned(),
        certificates: None,
        keys: keys::suite_keys(),
        mail: MailOptions {
            mail_url: Destination::Folder(files.join(mail::DIRECTORY)),
            mail_from: "DafnckMachine <no-reply@dafnck.example>".parse().unwrap(),
        },
        proxies: ProxyOptions::default(),
        cors: CorsOptions::default(),
        limits: LimitOptions::default(),
        telemetry: TelemetryOptions::default(),
        clock: Clock::default(),
    }
}

/// The names of a suite's databases.
fn databases_of(options: &suite::SuiteOptions) -> BTreeSet<String> {
    NAMES.map(|service| options.databases.database_of(service, &options.database)).into()
}

impl Drop for Suite {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.cancel();
        }
        databases_of(&self.options).into_iter().for_each(servers::forget);
    }
}

/// A channel to a service, with TLS if its URL has the scheme `https`.
fn channel_to(url: &str, authority: Option<&Certificate>) -> Channel {
    let endpoint = Channel::from_shared(url.to_owned()).unwrap();
    let Some(authority) = authority.filter(|_| url.starts_with("https")) else {
        return endpoint.connect_lazy();
    };
    endpoint.tls_config(ClientTlsConfig::new().ca_certificate(authority.clone())).unwrap().connect_lazy()
}

/// Creates a database without schemas and returns the superuser's URL.
pub async fn create_empty_database() -> Secret {
    servers::shared(Encryption::Off).await.create_empty_database().await
}

/// The directory of PostgreSQL's programs.
pub async fn postgres_bin_directory() -> PathBuf {
    servers::shared(Encryption::Off).await.local.postgres.programs.clone()
}

/// A fresh UUID as text.
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}
