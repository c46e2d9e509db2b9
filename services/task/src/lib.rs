//! The task service: tasks, their dependencies, plans and progress.
//!
//! It owns the schema `task`. The database guarantees, for every writer, that dependencies never form a cycle and
//! that no task starts or completes before the tasks that block it. The project service decides who may do what; this
//! service keeps a read-only copy of that ([`handler`]). Plans ([`schedule`]) know amounts of work, but no people and
//! no calendar.

mod access_target;
mod batch;
mod constraints;
mod dependencies;
mod event_feed;
mod export;
mod facets;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz_targets;
mod graph;
mod handler;
mod history;
mod import;
mod lists;
mod milestones;
mod my_work;
mod order;
mod plan;
mod progress;
mod redaction;
mod rpc;
pub mod schedule;
pub mod schema;
mod search;
mod task_keys;
pub(crate) mod task_lookup;
mod tasks;
mod time_entries;

use proto::common::ServerInfo;
use proto::task::DESCRIPTOR_SET;
use shared::access::{AccessCopies, Authorizer};
use shared::export::Exports;
use shared::service::{PreparedService, ServiceContext};

use handler::TaskHandler;

/// Name of the service, its schema and its proto package.
pub const NAME: &str = "task";

static SCRIPTS: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/task");
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// Starts background work and prepares the handlers.
///
/// # Errors
/// If a migration fails.
pub async fn start(context: ServiceContext) -> anyhow::Result<PreparedService> {
    context.migrate(&MIGRATIONS).await?;
    let sessions = context.remote_sessions();
    let copies = AccessCopies::new(
        NAME,
        context.worker.clone(),
        context.siblings.project_access(),
        context.signal.clone(),
    );
    context.spawn(copies.clone().follow(context.shutdown.clone()));
    let handler = TaskHandler {
        context: context.clone(),
        authorizer: Authorizer::new(&context, copies.clone()),
        task_reads: tasks::queries::gathered_reads(&context.database),
        task_creations: tasks::queries::gathered_creations(&context.database),
        task_updates: tasks::queries::gathered_updates(&context.database),
        exports: Exports::new(&context),
    };
    let routes = copies.enforce_freshness(rpc::routes(&handler));
    Ok(context.into_service(DESCRIPTOR_SET, routes, ServerInfo::default(), sessions))
}
