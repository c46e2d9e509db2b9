//! Starts the four services in this process, and names their migrations.

use content::storage::StorageOptions;
use identity::IdentityOptions;
use local_servers::running_services::{RunningServices, sibling_urls};
use local_servers::suite::SuiteOptions;
use project::WebhookOptions;
use shared::migrate::Set;
use shared::service::{ServiceContext, serve_gateway};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

static REFERENCE_SCRIPTS: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/references");
/// Foreign keys between the schemas of services that share a database.
pub static REFERENCES: Set = Set::joining("references", &REFERENCE_SCRIPTS);

/// The migrations of the four services.
pub fn migration_sets() -> [&'static Set; 4] {
    [&identity::MIGRATIONS, &project::MIGRATIONS, &task::MIGRATIONS, &content::MIGRATIONS]
}

/// Starts the four services, each on its listener, and all together on `gateway`.
///
/// # Errors
/// When an option is malformed.
pub async fn start(
    options: &SuiteOptions,
    identity_options: &IdentityOptions,
    storage: &StorageOptions,
    webhooks: WebhookOptions,
    listeners: [TcpListener; 4],
    gateway: TcpListener,
) -> anyhow::Result<RunningServices> {
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let addresses = addresses.try_into().map_err(|_| anyhow::anyhow!("there are four services"))?;
    let siblings = sibling_urls(addresses, options.certificates.is_some());
    let shutdown = CancellationToken::new();
    let context = |name: &'static str, address| {
        let service = options.service(name, address, &siblings);
        ServiceContext::new(name, service, options.clock.clone(), shutdown.clone())
    };
    let [identity, project, task, content] = addresses;
    let mail = &options.mail;
    let services = [
        identity::start(context(identity::NAME, identity)?, identity_options.clone(), mail.clone()).await?,
        project::start(context(project::NAME, project)?, mail.clone(), webhooks).await?,
        task::start(context(task::NAME, task)?).await?,
        content::start(context(content::NAME, content)?, storage.clone()).await?,
    ];
    let mut running = RunningServices::new(siblings.clone(), shutdown.clone());
    running.spawn(serve_gateway(services.clone(), gateway));
    for (service, listener) in services.into_iter().zip(listeners) {
        running.spawn(service.serve(listener));
    }
    Ok(running)
}
