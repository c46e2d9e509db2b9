//! The task service: tasks, what they depend on, and how far a project is.
//!
//! It owns the schema `task` and promises that what waits for what never forms a cycle, and that nothing is begun
//! or completed before what blocks it; both are kept by the database, for everybody who writes to it. Who may do
//! what is the project service's to say: this service keeps a read-only copy of it ([`handlers`]).
//! It plans ([`schedule`]), but it assigns nobody and knows no calendar: hours of work only.

mod batch;
mod constraints;
mod dependencies;
mod export;
mod facets;
mod feed;
mod graph;
mod handlers;
mod history;
mod import;
mod lists;
mod my_work;
mod numbers;
mod order;
mod place;
mod plan;
mod progress;
mod rpc;
pub mod schedule;
pub mod schema;
mod search;
pub(crate) mod task_lookup;
mod tasks;

use proto::task::DESCRIPTOR_SET;
use proto::task::admin::v1::task_admin_service_server::TaskAdminServiceServer;
use proto::task::backend::v1::task_lookup_service_server::TaskLookupServiceServer;
use proto::task::v1::plan_service_server::PlanServiceServer;
use proto::task::v1::task_service_server::TaskServiceServer;
use shared::access::AccessCopies;
use shared::server::MAX_MESSAGE_BYTES;
use shared::service::ServiceContext;
use tokio::net::TcpListener;
use tonic::service::Routes;

use export::Export;
use handlers::Handlers;
use rpc::TaskAdminHandler;

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "task";

static SCRIPTS: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/task");
/// The migrations of the schema.
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// Serves until told to stop.
///
/// # Errors
/// When a migration, the listener or a certificate fails.
pub async fn serve(context: ServiceContext, listener: TcpListener) -> anyhow::Result<()> {
    context.migrate(&MIGRATIONS).await?;
    let sessions = context.remote_sessions();
    let copies = AccessCopies::new(
        NAME,
        context.worker.clone(),
        context.siblings.project_access(),
        context.signal.clone(),
    );
    context.spawn(copies.clone().follow(context.shutdown.clone()));
    let routes = copies.keep_fresh(routes(&Handlers { context: context.clone(), copies: copies.clone() }));
    context.serve(DESCRIPTOR_SET, routes, sessions, listener).await
}

/// All that this service answers.
fn routes(handlers: &Handlers) -> Routes {
    let limit = MAX_MESSAGE_BYTES;
    let admin = TaskAdminHandler { handlers: handlers.clone(), export: Export::new(&handlers.context) };
    Routes::new(TaskServiceServer::new(handlers.clone()).max_decoding_message_size(limit))
        .add_service(PlanServiceServer::new(handlers.clone()).max_decoding_message_size(limit))
        .add_service(TaskLookupServiceServer::new(handlers.clone()).max_decoding_message_size(limit))
        .add_service(TaskAdminServiceServer::new(admin).max_decoding_message_size(limit))
}
