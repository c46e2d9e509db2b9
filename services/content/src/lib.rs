//! The content service: documents with their versions, and files and comments on tasks, documents and projects.
//!
//! It owns the schema `content` and the object store. It guarantees that the versions of a document have no gaps and
//! never change; that an upload continues after a broken connection and a failed one leaves nothing; that equal files
//! are stored once; and that the bytes of an attachment are deleted after its row. Project access comes from a copy
//! that the project service feeds ([`shared::access`]), deletions of tasks from the feed of the task service.

mod access_target;
mod attachments;
mod collector;
mod comments;
mod comparison_pool;
mod constraints;
mod document_lookup;
mod documents;
mod editing;
mod event_feed;
mod export;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz_targets;
mod handler;
mod import;
mod page;
mod query_builder;
mod rpc;
mod schema;
mod search;
pub mod storage;
mod targets;
mod texts;
mod uploads;
mod versions;

use proto::common::{ServerInfo, ServerLimits};
use proto::content::DESCRIPTOR_SET;
use shared::access::{AccessCopies, Authorizer};
use shared::service::{PreparedService, ServiceContext};
use shared::siblings::Sibling;

use comparison_pool::ComparisonPool;
use documents::MAX_CONTENT_BYTES;
use handler::ContentHandler;
use storage::{FileLimits, Storage, StorageOptions};
use uploads::writer::UploadWriter;

pub use schema::NAME;

static SCRIPTS: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/content");
/// The migrations of the schema.
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// Starts background work and prepares the handlers.
///
/// # Errors
/// When a migration or the storage fails.
pub async fn start(context: ServiceContext, options: StorageOptions) -> anyhow::Result<PreparedService> {
    context.migrate(&MIGRATIONS).await?;
    let storage = Storage::open(&options)?;
    let writer = UploadWriter::new(&context, storage.clone(), options.limits.clone());
    let copies = AccessCopies::new(
        NAME,
        context.worker.clone(),
        context.siblings.project_access(),
        context.signal.clone(),
    );
    context.spawn(copies.clone().follow(context.shutdown.clone()));
    let info = server_info(&options.limits);
    context.spawn(collector::run(context.clone(), storage.clone(), options.limits));
    context.spawn(targets::deleted_tasks::follow(context.clone()));
    let pool = ComparisonPool::new();
    context.spawn(comments::anchors::follow(context.clone(), pool.clone()));

    let sessions = context.remote_sessions();
    let authorizer = Authorizer::new(&context, copies.clone());
    let handler = ContentHandler::new(context.clone(), authorizer, pool, writer, storage);
    let routes = copies.enforce_freshness(rpc::routes(&handler));
    let service = context.into_service(DESCRIPTOR_SET, routes, info, sessions);
    // It calls all of them anyway. A proxy in front of the suite lets it answer for all.
    Ok(service.describing(&[Sibling::Identity, Sibling::Project, Sibling::Task]))
}

fn server_info(limits: &FileLimits) -> ServerInfo {
    let limits = ServerLimits {
        max_attachment_bytes: i64::try_from(limits.max_attachment_bytes).ok(),
        max_document_bytes: i64::try_from(MAX_CONTENT_BYTES).ok(),
        ..Default::default()
    };
    ServerInfo { limits: Some(limits), ..Default::default() }
}
