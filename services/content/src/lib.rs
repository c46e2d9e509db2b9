//! The content service: documents with their versions, and files attached to tasks, documents and projects.
//!
//! It owns the schema `content` and the store of files. It promises that the versions of a document have no
//! gaps and never change; that an upload goes on after a broken connection, and nothing is kept of one that fails;
//! that equal files are stored once; and that the bytes of an attachment go away after its row, however that was
//! deleted. It knows of projects and their members by a copy that
//! the project service feeds ([`entrance`]), and of deleted tasks by the task service's feed.

pub mod attachments;
mod collector;
pub mod comparisons;
pub mod documents;
pub mod editing;
pub mod entrance;
pub mod export;
pub mod import;
mod rpc;
mod schema;
pub mod search;
pub mod storage;
pub mod texts;
pub mod uploads;
pub mod versions;

use crate::storage::StorageOptions;
use proto::content::DESCRIPTOR_SET;
use proto::content::admin::v1::content_admin_service_server::ContentAdminServiceServer;
use proto::content::v1::attachment_service_server::AttachmentServiceServer;
use proto::content::v1::document_service_server::DocumentServiceServer;
use rpc::{AttachmentHandler, ContentAdminHandler, DocumentHandler};
use shared::access::AccessCopies;
use shared::database::{Constraint, Rule};
use shared::server::MAX_MESSAGE_BYTES;
use shared::service::ServiceContext;
use tokio::net::TcpListener;
use tonic::service::Routes;

use attachments::rpc::Attachments;
use comparisons::Comparisons;
use documents::rpc::Documents;
use editing::rpc::Editing;
use entrance::Entrance;
use export::Exporting;
use import::rpc::Imports;
use search::rpc::Searching;
use storage::Storage;
use uploads::rpc::Uploads;
use uploads::upload_session::Intake;

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "content";

static SCRIPTS: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/content");
/// The migrations of the schema.
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// What the schema's constraints mean to a client.
pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "documents_pkey", rule: Rule::Taken("document_id") },
    Constraint { name: "file_attachments_pkey", rule: Rule::Taken("id") },
    Constraint { name: "documents_project_id_fkey", rule: Rule::Missing("project") },
    Constraint { name: "documents_author_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "document_versions_author_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "file_attachments_uploader_id_fkey", rule: Rule::Missing("user") },
];

/// Serves until told to stop.
///
/// # Errors
/// When a migration, the storage folder, the listener or a certificate fails.
pub async fn serve(
    context: ServiceContext,
    files: StorageOptions,
    listener: TcpListener,
) -> anyhow::Result<()> {
    context.migrate(&MIGRATIONS).await?;
    let storage = Storage::open(&files)?;
    let intake = Intake::new(&context, storage.clone(), files.limits.clone());
    let copies = AccessCopies::new(
        NAME,
        context.worker.clone(),
        context.siblings.project_access(),
        context.signal.clone(),
    );
    context.spawn(copies.clone().follow(context.shutdown.clone()));
    context.spawn(collector::follow(context.clone(), storage.clone(), files.limits));
    context.spawn(attachments::deleted_tasks::follow(context.clone()));

    let sessions = context.remote_sessions();
    let entrance = Entrance::new(&context, copies.clone());
    let routes = copies.keep_fresh(routes(&context, entrance, intake, storage));
    context.serve(DESCRIPTOR_SET, routes, sessions, listener).await
}

fn routes(context: &ServiceContext, entrance: Entrance, intake: Intake, storage: Storage) -> Routes {
    let comparisons = Comparisons::new();
    let documents = Documents::new(context.clone(), entrance.clone(), comparisons.clone());
    let editing = Editing::new(context.clone(), entrance.clone(), comparisons);
    let searching = Searching::new(context.clone(), entrance.clone());
    let attachments = Attachments::new(context.clone(), entrance.clone(), intake.clone(), storage.clone());
    let uploads = Uploads::new(context.clone(), entrance.clone(), intake.clone());
    let imports = Imports::new(context.clone(), entrance, intake);
    let exporting = Exporting::new(context, storage);
    let documents = DocumentHandler { documents, editing, search: searching };
    let attachments = AttachmentHandler { attachments, uploads };
    let admin = ContentAdminHandler { importing: imports, exporting };
    Routes::new(DocumentServiceServer::new(documents).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(AttachmentServiceServer::new(attachments).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(ContentAdminServiceServer::new(admin).max_decoding_message_size(MAX_MESSAGE_BYTES))
}
