//! The suite for tests: real PostgreSQL and Redis, a database of its own for each test, the real layers over the
//! real wire, and actors who do things.
//!
//! The servers start with the first test of a test binary and end with its process, however it ends.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "failing is reporting here"
)]

mod actor;
mod around;
mod bucket;
mod databases;
mod drill;
mod form;
mod mail;
mod moving;
mod operating;
mod replacing;
mod replica;
mod round_trips;
mod servers;
mod slow_link;
mod small_disk;
mod summary;
mod waiting;

pub use actor::{Actor, Bearer, Service};
pub use bucket::Bucket;
pub use drill::{Load, make_task, making_tasks, survives};
pub use form::{Encryption, Form, RedisForm, Surroundings, Through};
pub use mail::Mail;
pub use moving::OtherCluster;
pub use replacing::is_replaced_unnoticed;
pub use replica::Replica;
pub use round_trips::RoundTrips;
pub use small_disk::SmallDisk;
pub use summary::{reason_of, summary, violations};
pub use waiting::{tell_to_end, until, until_ok};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use identity::sealing::KeyRingOptions;
use identity::{IdentityOptions, RegistrationMode};
use shared::clock::Clock;
use shared::config::{DatabaseOptions, LimitOptions, ProxyOptions, Secret, SiblingOptions, TelemetryOptions};
use shared::local::LocalServers;
use shared::mail::{Destination, MailOptions};
use shared::redis_store::RedisStore;
use shared::storage::{BucketOptions, FileLimits, StorageOptions};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use uuid::Uuid;

use crate::services::{self, DatabaseForm, NAMES, RunningServices, SuiteOptions};

/// Long enough that all that is sent at once is there before the first of it is answered.
const COUNTED_ROUND_TRIP: Duration = Duration::from_millis(20);
/// Largest attachment unless a test says otherwise.
pub const MAX_ATTACHMENT_BYTES: u64 = 8 * 1024 * 1024;
pub const SERVICE_SECRET: &str = "a secret of the tests, long enough to be one";
/// 32 bytes under the name `test`.
pub const ENCRYPTION_KEYS: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// All four services on a database of their own.
pub struct Suite {
    pub options: SuiteOptions,
    pub siblings: SiblingOptions,
    /// The superuser's URL of this suite's database; where there are four, of identity's.
    pub admin_url: Secret,
    /// Only of a suite that was started alone.
    pub servers: Option<LocalServers>,
    /// What only some forms have, and only a suite that was started alone has for itself.
    pub surroundings: Surroundings,
    running: Option<RunningServices>,
    files: TempDir,
}

impl Suite {
    /// On servers shared with the other tests of this binary, in the form that is tried ([`Form::tried`]).
    pub async fn start() -> Self {
        Self::start_in(Form::tried()).await
    }

    /// As [`Self::start`], with other options.
    pub async fn start_with(change: impl FnOnce(&mut SuiteOptions)) -> Self {
        let form = Form::tried();
        Self::on(servers::shared(form.encryption).await, form, change).await
    }

    /// As [`Self::start`], on servers that are set as they are where data lasts.
    pub async fn start_durable() -> Self {
        Self::on(servers::shared_durable().await, Form::PLAIN, |_| {}).await
    }

    /// As [`Self::start_durable`], on servers of its own.
    pub async fn start_durable_alone() -> Self {
        Self::start_on_own(servers::start_durable().await, Form::PLAIN).await
    }

    /// As [`Self::start`], in this form: for tests whose subject it is.
    pub async fn start_in(form: Form) -> Self {
        Self::on(servers::shared(form.encryption).await, form, |_| {}).await
    }

    /// As [`Self::start`], with a link to PostgreSQL that counts round trips; for that, in plain text.
    pub async fn start_counted() -> (Self, RoundTrips) {
        // One connection, so that what a call needs to be quick is there from the second call on.
        Self::start_far_away(COUNTED_ROUND_TRIP, |options| options.database_pool_size = 1).await
    }

    /// As [`Self::start_counted`], with a link that takes this long for each round trip, and with other options:
    /// transactions last, so that many meet.
    pub async fn start_far_away(
        round_trip: Duration,
        change: impl FnOnce(&mut SuiteOptions),
    ) -> (Self, RoundTrips) {
        shared::telemetry::carry_traces();
        let mut counted = RoundTrips::default();
        let form = Form { encryption: Encryption::Off, ..Form::tried() };
        let suite = Self::on(servers::shared(form.encryption).await, form, |options| {
            let (link, round_trips) = slow_link::start(options.postgres.parse().unwrap(), round_trip);
            options.postgres = link.to_string();
            counted = round_trips;
            change(options);
        })
        .await;
        (suite, counted)
    }

    /// On servers of its own, which the test may stop and start.
    pub async fn start_alone() -> Self {
        Self::start_alone_in(Form::tried()).await
    }

    /// As [`Self::start_alone`], in this form.
    pub async fn start_alone_in(form: Form) -> Self {
        Self::start_on_own(servers::start(form.encryption).await, form).await
    }

    async fn start_on_own(own: servers::Servers, form: Form) -> Self {
        let mut suite = Self::on(&own, form, |_| {}).await;
        suite.surroundings = own.around.into();
        suite.servers = Some(own.local);
        suite
    }

    async fn on(servers: &servers::Servers, form: Form, change: impl FnOnce(&mut SuiteOptions)) -> Self {
        let files = TempDir::new().unwrap();
        let database = match form.databases {
            DatabaseForm::One => servers.create_database().await,
            DatabaseForm::Four => servers.create_databases_apart().await,
        };
        let mut options = plain_options(servers, &database, form.databases, files.path());
        form.surround(servers, &mut options, files.path()).await;
        change(&mut options);
        let listeners = services::listen([0; 4]).await.unwrap();
        let running = services::start(&options, listeners).unwrap();
        Self {
            admin_url: servers.admin_url(&form.databases.database_of(identity::NAME, &database)),
            siblings: running.siblings.clone(),
            options,
            servers: None,
            surroundings: Surroundings::default(),
            running: Some(running),
            files,
        }
    }

    /// A plain channel to a service.
    pub fn channel(&self, service: Service) -> Channel {
        let url = match service {
            Service::Identity => &self.siblings.identity_url,
            Service::Project => &self.siblings.project_url,
            Service::Task => &self.siblings.task_url,
            Service::Content => &self.siblings.content_url,
        };
        channel_to(url, self.authority().as_ref())
    }

    /// Who has signed the services' certificates, where they have some.
    fn authority(&self) -> Option<Certificate> {
        let file = self.options.certificate("ca.pem")?;
        Some(Certificate::from_pem(std::fs::read(file).unwrap()))
    }

    /// Somebody who is not signed in.
    pub fn anonymous(&self) -> Actor {
        Actor::anonymous(self)
    }

    /// A new user, signed in.
    pub async fn user(&self, name: &str) -> Actor {
        Actor::register(self, name).await
    }

    /// New users, signed in.
    pub async fn users<const N: usize>(&self, names: [&str; N]) -> [Actor; N] {
        futures::future::join_all(names.map(|name| self.user(name))).await.try_into().ok().unwrap()
    }

    /// A user who exists in the database and has a session, without passing the identity service: for tests of
    /// the other services, which then cost no password hash.
    pub async fn guest(&self, name: &str) -> Actor {
        Actor::plant(self, name).await
    }

    /// Guests; see [`Self::guest`].
    pub async fn guests<const N: usize>(&self, names: [&str; N]) -> [Actor; N] {
        futures::future::join_all(names.map(|name| self.guest(name))).await.try_into().ok().unwrap()
    }

    /// Clients that call as a service of the suite, or another program that knows the secret. Where connections are
    /// encrypted they show the operator's certificate: any of the authority's will do.
    pub fn as_service(&self, name: &str) -> shared::siblings::Siblings {
        let signer = shared::service_identity::ServiceSigner::new(name, SERVICE_SECRET.into());
        shared::siblings::Siblings::new(&self.siblings, &self.options.tls_of("operator"), &signer).unwrap()
    }

    /// Redis as the services use it.
    pub fn redis(&self) -> RedisStore {
        let authority = self.options.certificate("ca.pem");
        let SuiteOptions { redis_url, redis_key_prefix, .. } = &self.options;
        RedisStore::believing(authority.as_deref(), redis_url, redis_key_prefix).unwrap()
    }

    /// Starts services that have been stopped, on other ports.
    pub async fn start_again(&mut self) {
        let listeners = services::listen([0; 4]).await.unwrap();
        let running = services::start(&self.options, listeners).unwrap();
        self.siblings = running.siblings.clone();
        self.running = Some(running);
    }

    /// Stops the services and waits for them.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await.unwrap();
        }
    }
}

/// The options of a suite in its plain form.
fn plain_options(
    servers: &servers::Servers,
    database: &str,
    databases: DatabaseForm,
    files: &Path,
) -> SuiteOptions {
    SuiteOptions {
        postgres: servers.postgres_address().to_string(),
        database: database.to_owned(),
        databases,
        reaching: DatabaseOptions::default(),
        role_password: servers.role_password.clone(),
        database_pool_size: 4,
        redis_url: servers.local.redis.url(),
        redis_key_prefix: database.to_owned(),
        certificates: None,
        service_secret: SERVICE_SECRET.into(),
        identity: IdentityOptions {
            keys: KeyRingOptions {
                encryption_keys: Some(ENCRYPTION_KEYS.into()),
                encryption_keys_file: None,
            },
            // So that actors are there at once.
            registration: RegistrationMode::Direct,
            ..IdentityOptions::default()
        },
        mail: MailOptions {
            mail_url: Destination::Folder(files.join(mail::FOLDER)),
            mail_from: "DafnckMachine <no-reply@dafnck.example>".parse().unwrap(),
        },
        storage: StorageOptions {
            storage_folder: files.join("files"),
            bucket: BucketOptions::default(),
            limits: FileLimits { max_attachment_bytes: MAX_ATTACHMENT_BYTES, ..Default::default() },
        },
        proxies: ProxyOptions::default(),
        limits: LimitOptions::default(),
        telemetry: TelemetryOptions::default(),
        clock: Clock::default(),
    }
}

/// The names of a suite's databases.
fn databases_of(options: &SuiteOptions) -> BTreeSet<String> {
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

/// A channel to a service, encrypted where its URL says so.
fn channel_to(url: &str, authority: Option<&Certificate>) -> Channel {
    let endpoint = Channel::from_shared(url.to_owned()).unwrap();
    let Some(authority) = authority.filter(|_| url.starts_with("https")) else {
        return endpoint.connect_lazy();
    };
    endpoint.tls_config(ClientTlsConfig::new().ca_certificate(authority.clone())).unwrap().connect_lazy()
}

/// The superuser's URL of a new database without schemas.
pub async fn empty_database() -> Secret {
    servers::shared(Encryption::Off).await.create_empty_database().await
}

/// The folder with PostgreSQL's programs.
pub async fn postgres_programs() -> PathBuf {
    servers::shared(Encryption::Off).await.local.postgres.programs.clone()
}

/// A fresh UUID as text.
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}
