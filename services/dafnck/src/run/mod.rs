//! `dafnck run`: the whole suite on this machine, on private PostgreSQL and Redis servers.
//!
//! Promises: a taken port is named before anything starts; data and secrets last; on Ctrl-C or SIGTERM everything
//! ends in order (services, Redis, PostgreSQL) with exit code 0; when a service or server ends by itself, the rest is
//! stopped and the exit code is 1. A second Ctrl-C is not needed: every step of the end has a limit.

mod databases;
mod options;
mod summary;

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use content::storage::StorageOptions;
use identity::encryption::KeyRingOptions;
use identity::{IdentityOptions, PasswordOptions};
use local_servers::{DataDirectory, LocalOptions, LocalServers, WalReceiver};
use shared::clock::Clock;
use shared::config::{DEFAULT_DATABASE_POOL_SIZE, DEFAULT_REDIS_KEY_PREFIX, Secret};
use shared::mail::{Destination, MailOptions};
use shared::service::cancel_on_signal;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use options::RunOptions;

use crate::backup::scheduler::{self, Suite};
use crate::certificates;
use crate::console;
use crate::health;
use crate::maintain;
use crate::output::say;
use crate::paths::{DATABASE, FILES, LocalSuite};
use crate::restore;
use crate::secrets::Secrets;
use crate::services;
use crate::suite_settings::SuiteSettings;
use local_servers::dev_ca;
use local_servers::running_services::{RunningServices, listen, listen_on};
use local_servers::suite::{NAMES, SuiteOptions};

/// Where mail goes unless told otherwise, in the data directory.
const MAIL: &str = "mail";
/// How long the services may take until they are ready, and how often they are asked.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long who fetches WAL for the backup may take to end after PostgreSQL.
const RECEIVER_TIMEOUT: Duration = Duration::from_secs(10);
const READY_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Everything that runs.
struct RunningLocalSuite {
    servers: LocalServers,
    services: RunningServices,
    /// Whom to trust that they are the services, where they speak TLS.
    authority: Option<PathBuf>,
    backup: BackupTask,
}

/// The part of the suite that follows its backup.
struct BackupTask {
    stop: CancellationToken,
    task: JoinHandle<Option<WalReceiver>>,
}

/// Runs the suite until it is told to stop.
///
/// # Errors
/// Whatever keeps it from running, or ends it before it is told to.
pub async fn command(options: RunOptions) -> anyhow::Result<()> {
    let _telemetry = shared::telemetry::init(&options.telemetry, "dafnck")?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    let settings = options.settings()?;
    let listeners = listeners(&settings).await.map_err(|taken| {
        anyhow!("{taken:#}. Stop what runs there, or give --ports, --gateway-port or --console-port")
    })?;
    let mut running = tokio::select! {
        running = start(&options, &settings, listeners) => running?,
        () = shutdown.cancelled() => {
            say("stopped while starting");
            return Ok(());
        }
    };
    summary::print(&options, &settings, &running.servers)?;
    let admin_url = |service| {
        let database = settings.databases.database_of(service, DATABASE);
        running.servers.postgres.admin_url(&database)
    };
    let mut urls: Vec<Secret> = NAMES.map(admin_url).into();
    urls.dedup();
    let data_directory = running.servers.data.clone();
    let renewal = async {
        match settings.tls {
            true => certificates::renew_in_time(&options.data_directory, &running.servers).await,
            false => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        never = renewal => match never {},
        never = maintain::run_periodically(urls, Some(&data_directory)) => match never {},
        () = shutdown.cancelled() => Ok(()),
        failure = failure(&mut running.services, &running.servers) => Err(failure),
    };
    if let Err(failure) = &outcome {
        say(&format!("{failure:#}"));
    }
    running.stop().await.and(outcome)
}

/// The ports of the services, of all together, and of the console if it is wanted.
struct Listeners {
    services: [TcpListener; 4],
    gateway: TcpListener,
    console: Option<TcpListener>,
}

async fn listeners(settings: &SuiteSettings) -> anyhow::Result<Listeners> {
    let services = listen(settings.ports).await?;
    let gateway = listen_on(settings.gateway_port, "the gateway").await?;
    let console = match settings.console {
        true => Some(listen_on(settings.console_port, "the console").await?),
        false => None,
    };
    Ok(Listeners { services, gateway, console })
}

async fn start(
    options: &RunOptions,
    settings: &SuiteSettings,
    listeners: Listeners,
) -> anyhow::Result<RunningLocalSuite> {
    let data_directory = std::path::absolute(&options.data_directory)?;
    restore::refuse_unfinished(&data_directory)?;
    let secrets = Secrets::load_or_make(&data_directory)?;
    let storage_directory = make_private_directory(data_directory.join(FILES))?;
    let mail_directory = data_directory.join(MAIL);
    let certificates = settings.tls.then(|| certificates::keep(&data_directory)).transpose()?;
    let certificates = certificates.map(|(directory, _)| directory);
    let servers = local_servers::start(
        LocalOptions {
            cache: options.cache_directory.clone(),
            data: DataDirectory::Persistent(data_directory),
            postgres_port: Some(settings.postgres_port),
            redis_port: Some(settings.redis_port),
            postgres_bin: options.postgres_bin_dir.clone(),
            redis_bin: options.redis_bin_dir.clone(),
            certificates: certificates.as_deref().map(dev_ca::server_certificates).transpose()?,
        },
        say,
    )
    .await?;
    let services = match start_services(
        options,
        settings,
        [storage_directory, mail_directory],
        certificates.clone(),
        &secrets,
        &servers,
        listeners,
    )
    .await
    {
        Ok(services) => services,
        Err(error) => {
            servers.stop().await?;
            return Err(error);
        }
    };
    let authority = certificates.map(|directory| directory.join(format!("{}.pem", dev_ca::AUTHORITY)));
    let mut running = RunningLocalSuite { servers, services, authority, backup: BackupTask::start(options) };
    if let Err(error) = running.become_ready().await {
        running.stop().await?;
        return Err(error);
    }
    Ok(running)
}

/// A directory for us alone, created if missing.
fn make_private_directory(directory: PathBuf) -> anyhow::Result<PathBuf> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
    made.with_context(|| format!("cannot make the directory {}", directory.display()))?;
    Ok(directory)
}

async fn start_services(
    options: &RunOptions,
    settings: &SuiteSettings,
    [storage_directory, mail_directory]: [PathBuf; 2],
    certificates: Option<PathBuf>,
    secrets: &Secrets,
    servers: &LocalServers,
    listeners: Listeners,
) -> anyhow::Result<RunningServices> {
    databases::prepare(settings.databases, servers, &secrets.role_passwords()).await?;
    // The directory is ours alone, and its data has this form.
    settings.write(&options.data_directory)?;
    let identity = IdentityOptions {
        keys: KeyRingOptions { encryption_keys: Some(secrets.encryption_keys()), encryption_keys_file: None },
        passwords: PasswordOptions::default(),
        sessions: options.sessions.clone(),
        registration: options.registration,
    };
    let storage = StorageOptions {
        storage_directory,
        bucket: settings.bucket(&options.bucket),
        limits: options.files.clone(),
    };
    let webhooks = options.webhooks;
    let mut cors = options.cors.clone();
    let data_directory = std::path::absolute(&options.data_directory)?;
    if let Some(url) = settings.console_url() {
        cors.allowed_origins.push(url.parse().map_err(|error: String| anyhow!("the console: {error}"))?);
    }
    let options = SuiteOptions {
        postgres: servers.postgres.address(),
        database: DATABASE.to_owned(),
        databases: settings.databases,
        role_passwords: secrets.role_passwords(),
        database_pool_size: DEFAULT_DATABASE_POOL_SIZE,
        redis_url: servers.redis.url(),
        redis_users: servers.redis.users().clone(),
        redis_key_prefix: DEFAULT_REDIS_KEY_PREFIX.to_owned(),
        certificates,
        keys: secrets.suite_keys()?,
        mail: MailOptions {
            mail_url: options.mail_url.clone().unwrap_or(Destination::Folder(mail_directory)),
            mail_from: options.mail_from.clone(),
        },
        proxies: options.proxies.clone(),
        cors,
        limits: options.limits.clone(),
        telemetry: options.telemetry.clone(),
        clock: Clock::default(),
    };
    say("starting the services…");
    let mut running =
        services::start(&options, &identity, &storage, webhooks, listeners.services, listeners.gateway)
            .await?;
    if let Some(listener) = listeners.console {
        let shutdown = running.shutdown();
        running.spawn(console::serve(listener, settings.gateway_url(), data_directory, shutdown));
    }
    Ok(running)
}

impl BackupTask {
    fn start(options: &RunOptions) -> Self {
        let stop = CancellationToken::new();
        let place = LocalSuite {
            data_directory: options.data_directory.clone(),
            cache_directory: options.cache_directory.clone(),
            bucket: options.bucket.clone(),
        };
        let task = tokio::spawn(scheduler::follow(Suite::Local(place), stop.clone()));
        Self { stop, task }
    }

    /// Who still fetches WAL, if somebody does.
    async fn stop(self) -> Option<WalReceiver> {
        self.stop.cancel();
        self.task.await.ok().flatten()
    }
}

impl RunningLocalSuite {
    /// Waits until the services say that they are ready.
    async fn become_ready(&mut self) -> anyhow::Result<()> {
        let (siblings, authority) = (self.services.siblings.clone(), self.authority.clone());
        let ready = async {
            while !health::all_ready(&siblings, authority.as_deref()).await {
                tokio::time::sleep(READY_POLL_INTERVAL).await;
            }
        };
        tokio::select! {
            () = ready => Ok(()),
            failure = failure(&mut self.services, &self.servers) => Err(failure),
            () = tokio::time::sleep(READY_TIMEOUT) => bail!("the services were not ready within {READY_TIMEOUT:?}"),
        }
    }

    /// Services first, so that they end their work on servers that still run.
    async fn stop(self) -> anyhow::Result<()> {
        say("stopping the services…");
        let services = self.services.stop().await;
        let receiver = self.backup.stop().await;
        say("stopping Redis and PostgreSQL…");
        let servers = self.servers.stop().await;
        // PostgreSQL has written the end of its log, and does not end before that is fetched.
        if let Some(receiver) = receiver {
            receiver.end(RECEIVER_TIMEOUT).await?;
        }
        say("stopped");
        match (services, servers) {
            (Err(one), Err(other)) => bail!("{one:#}; {other:#}"),
            (services, servers) => services.and(servers),
        }
    }
}

/// Waits for something to end that should not.
async fn failure(services: &mut RunningServices, servers: &LocalServers) -> anyhow::Error {
    tokio::select! {
        outcome = services.failed() => outcome.err().unwrap_or_else(|| anyhow!("a service ended by itself")),
        server = servers.ended() => anyhow!("{server} ended by itself; its log may say why"),
    }
}
