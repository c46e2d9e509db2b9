//! The shared context of a service, and how it is served.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::authentication::{Authentication, RemoteSessions, SessionSource, Sessions};
use crate::change_log::Signal;
use crate::change_log::feed::Feed;
use crate::clock::Clock;
use crate::config::{PrincipalOptions, ServiceOptions};
use crate::database::Database;
use crate::housekeeping;
use crate::migrate;
use crate::page::PageTokens;
use crate::redis_store::RedisStore;
use crate::server::{ServerParts, ServiceParts, SiblingInfo, serve};
use crate::service_identity::ServiceSigner;
use crate::siblings::{Sibling, Siblings};
use proto::common::{GetServerInfoRequest, ServerInfo};

/// Connections for background work, which does few things at once.
pub const WORKER_POOL_SIZE: u32 = 4;

/// What logs and metrics call the port that serves all services.
pub const GATEWAY: &str = "gateway";

/// The shared context of a service: its options, connections and background tasks.
#[derive(Clone)]
pub struct ServiceContext {
    /// Name of the service, of its schema and of its proto package.
    pub name: &'static str,
    /// PostgreSQL under the role that serves requests.
    pub database: Database,
    /// PostgreSQL under the role of background work.
    pub worker: Database,
    /// The Redis store.
    pub redis: RedisStore,
    /// Clients of the sibling services.
    pub siblings: Siblings,
    /// Makes and reads page tokens.
    pub pages: PageTokens,
    /// Wakes readers of this service's change log; announce after a commit.
    pub signal: Signal,
    /// The clock for lifetimes.
    pub clock: Clock,
    /// The feed of this service's change log, for clients.
    pub feed: Feed,
    /// The options of the service.
    pub options: Arc<ServiceOptions>,
    /// Cancelled when the service is to stop.
    pub shutdown: CancellationToken,
    background: TaskTracker,
}

impl ServiceContext {
    /// Prepares the context; connects to nothing yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// When an option is malformed.
    pub fn new(
        name: &'static str,
        options: ServiceOptions,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let redis = RedisStore::with_ca(
            options.redis_tls_ca.as_deref(),
            &options.redis_url,
            &options.redis_key_prefix,
        )?;
        let PrincipalOptions { service_key, principal_keys, .. } = &options.principals;
        anyhow::ensure!(
            principal_keys.knows(name, service_key),
            "the service key is none of the principal keys of `{name}`: its siblings would not know it"
        );
        let signer = ServiceSigner::new(name, service_key.clone());
        let slow = Duration::from_millis(options.telemetry.slow_statement_milliseconds);
        let worker =
            Database::logging_slow(&options.worker_database_url, &options.database, WORKER_POOL_SIZE, slow)?;
        let pages = PageTokens::new(&options.derivation);
        let signal = Signal::new(&redis, name);
        let feed = Feed::new(name, worker.clone(), signal.clone(), pages.clone(), shutdown.clone());
        Ok(Self {
            name,
            database: Database::logging_slow(
                &options.database_url,
                &options.database,
                options.database_pool_size,
                slow,
            )?,
            worker,
            siblings: Siblings::new(&options.siblings, &options.tls, &signer)?,
            pages,
            signal,
            feed,
            redis,
            clock,
            options: Arc::new(options),
            shutdown,
            background: TaskTracker::new(),
        })
    }

    /// Brings the service's schema up to date if the options name a role that may.
    ///
    /// # Errors
    /// When a migration is refused or fails.
    pub async fn migrate(&self, set: &migrate::Set) -> anyhow::Result<()> {
        if let Some(url) = &self.options.migration_database_url {
            migrate::up(url, set).await?;
        }
        Ok(())
    }

    /// Runs a background task. It must end when `shutdown` is cancelled.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn(work);
    }

    /// Sessions from the identity service.
    pub fn remote_sessions(&self) -> Arc<Sessions> {
        self.sessions(Arc::new(RemoteSessions::new(self.siblings.clone())))
    }

    /// Sessions from this source, behind the cache and Redis.
    pub fn sessions(&self, source: Arc<dyn SessionSource>) -> Arc<Sessions> {
        let keys = self.options.principals.principal_keys.clone();
        let sessions =
            Sessions::start(self.redis.clone(), keys, source, self.clock.clone(), self.shutdown.clone());
        self.spawn(sessions.clone().report_seen_until(self.shutdown.clone()));
        sessions
    }

    /// The service of this context. `info` has the limits and features that only this service has.
    pub fn into_service(
        self,
        descriptor_set: &'static [u8],
        routes: Routes,
        info: ServerInfo,
        sessions: Arc<Sessions>,
    ) -> PreparedService {
        PreparedService {
            context: self,
            descriptor_set,
            routes,
            info,
            sessions,
            described_siblings: Vec::new(),
        }
    }
}

/// A service whose background work runs and whose handlers wait for a listener.
#[derive(Clone)]
pub struct PreparedService {
    context: ServiceContext,
    descriptor_set: &'static [u8],
    routes: Routes,
    info: ServerInfo,
    sessions: Arc<Sessions>,
    described_siblings: Vec<SiblingInfo>,
}

impl PreparedService {
    /// The service answers `GetServerInfo` for these siblings, too.
    #[must_use]
    pub fn describing(mut self, siblings: &[Sibling]) -> Self {
        let ask = |sibling: &Sibling| -> SiblingInfo {
            let client = self.context.siblings.server_info(*sibling);
            Arc::new(move || {
                let mut client = client.clone();
                Box::pin(
                    async move { Ok(client.get_server_info(GetServerInfoRequest {}).await?.into_inner()) },
                )
            })
        };
        self.described_siblings = siblings.iter().map(ask).collect();
        self
    }

    /// Serves until `shutdown`, then waits for calls and background tasks to end.
    ///
    /// # Errors
    /// When the listener or a certificate fails.
    pub async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        let context = &self.context;
        context.spawn(housekeeping::run(context.worker.clone(), context.name, context.shutdown.clone()));
        let outcome = self.server(context.name, vec![self.parts()], listener).await;
        context.background.close();
        context.background.wait().await;
        outcome
    }

    /// A server of `services`, with the sessions and options of this one.
    async fn server(
        &self,
        name: &'static str,
        services: Vec<ServiceParts>,
        listener: TcpListener,
    ) -> anyhow::Result<()> {
        let ServiceContext { options, shutdown, .. } = &self.context;
        let parts = ServerParts {
            name,
            services,
            authentication: Authentication::new(self.sessions.clone(), &options.principals)
                .with_certificates_of_services(options.tls.tls_client_ca.is_some())
                .with_failures_per_second(options.limits.authentication_failures_per_second),
            proxies: options.proxies.clone(),
            cors: options.cors.clone(),
            limits: options.limits.clone(),
            tls: options.tls.clone(),
        };
        let outcome = serve(parts, listener, shutdown.clone()).await;
        shutdown.cancel();
        outcome
    }

    fn parts(&self) -> ServiceParts {
        let database = self.context.database.clone();
        ServiceParts {
            name: self.context.name,
            descriptor_set: self.descriptor_set,
            routes: self.routes.clone(),
            info: self.info.clone(),
            described_siblings: self.described_siblings.clone(),
            readiness: Arc::new(move || {
                let database = database.clone();
                Box::pin(async move { database.is_ready().await })
            }),
        }
    }
}

/// Serves services of this process together on one port, behind one server stack, until shutdown: with the sessions and
/// options of the first, which is best identity, since it looks sessions up without a call.
///
/// # Errors
/// When the listener or a certificate fails.
pub async fn serve_gateway(
    services: impl AsRef<[PreparedService]>,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let services = services.as_ref();
    let first = services.first().context("there is no service")?;
    first.server(GATEWAY, services.iter().map(PreparedService::parts).collect(), listener).await
}

/// Runs a service as its own process: telemetry, listener, service, signals.
///
/// # Errors
/// Whatever keeps the service from running.
pub async fn run<Start, Starting>(
    name: &'static str,
    options: ServiceOptions,
    start: Start,
) -> anyhow::Result<()>
where
    Start: FnOnce(ServiceContext) -> Starting,
    Starting: Future<Output = anyhow::Result<PreparedService>>,
{
    let _telemetry = crate::telemetry::init(&options.telemetry, name)?;
    let address = options.listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    tracing::info!(service = name, %address, "serving");
    start(ServiceContext::new(name, options, Clock::default(), shutdown)?).await?.serve(listener).await
}

/// Cancels the token on SIGTERM or Ctrl-C.
pub async fn cancel_on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut stream) => {
                stream.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
    shutdown.cancel();
}
