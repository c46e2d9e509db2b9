//! Starts the four services in this process, and names their migrations.

use content::storage::StorageOptions;
use identity::IdentityOptions;
use local_servers::running_services::{RunningServices, sibling_urls};
use local_servers::suite::SuiteOptions;
use shared::migrate::Set;
use shared::service::ServiceContext;
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

/// Starts the four services.
///
/// # Errors
/// When an option is malformed.
pub fn start(
    options: &SuiteOptions,
    identity_options: &IdentityOptions,
    storage: &StorageOptions,
    listeners: [TcpListener; 4],
) -> anyhow::Result<RunningServices> {
    let [identity, project, task, content] = listeners;
    let addresses =
        [identity.local_addr()?, project.local_addr()?, task.local_addr()?, content.local_addr()?];
    let siblings = sibling_urls(addresses, options.certificates.is_some());
    let shutdown = CancellationToken::new();
    let context = |name: &'static str, listener: &TcpListener| {
        let service = options.service(name, listener.local_addr()?, &siblings);
        ServiceContext::new(name, service, options.clock.clone(), shutdown.clone())
    };
    let mut running = RunningServices::new(siblings.clone(), shutdown.clone());
    running.spawn(identity::serve(
        context(identity::NAME, &identity)?,
        identity_options.clone(),
        options.mail.clone(),
        identity,
    ));
    running.spawn(project::serve(context(project::NAME, &project)?, options.mail.clone(), project));
    running.spawn(task::serve(context(task::NAME, &task)?, task));
    running.spawn(content::serve(context(content::NAME, &content)?, storage.clone(), content));
    Ok(running)
}
