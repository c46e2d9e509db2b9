//! The project service: projects, their members, and who may do what in them.
//!
//! It alone decides access. The other services follow its decisions through `AccessService` and keep read-only copies.
//! It guarantees that a project has exactly one owner, that nobody grants more than they have, and that every change of
//! access reaches every follower.
//!
//! Not here: users (identity) and the content of projects (task, content). Deleting a project deletes its content
//! through the change log, or through foreign keys where the schemas share a database.

mod access;
mod constraints;
mod export;
mod history;
mod import;
mod invitations;
mod members;
mod ownership;
mod projects;
mod rpc;
mod schema;
mod watch;

use proto::common::{ServerFeatures, ServerInfo};
use proto::project::DESCRIPTOR_SET;
use proto::project::admin::v1::project_admin_service_server::ProjectAdminServiceServer;
use proto::project::backend::v1::access_service_server::AccessServiceServer;
use proto::project::backend::v1::invitation_service_server::InvitationServiceServer;
use proto::project::v1::member_service_server::MemberServiceServer;
use proto::project::v1::project_service_server::ProjectServiceServer;
use shared::mail::{MailOptions, Mailer, Outbox};
use shared::service::{PreparedService, ServiceContext};
use tonic::service::Routes;

pub use schema::NAME;

use access::rpc::AccessServiceHandler;
use export::rpc::ExportHandler;
use history::rpc::HistoryHandler;
use import::rpc::ImportHandler;
use invitations::backend::InvitationServiceHandler;
use invitations::issuer::InvitationIssuer;
use invitations::rpc::InvitationHandler;
use invitations::token::InvitationTokens;
use members::rpc::MemberHandler;
use ownership::admin::TransferProjectHandler;
use ownership::orphans::ListOrphanedProjectsHandler;
use ownership::rpc::OwnershipHandler;
use projects::rpc::ProjectHandler;
use rpc::{MemberServiceHandler, ProjectAdminServiceHandler, ProjectServiceHandler};
use watch::rpc::WatchHandler;

static SCRIPTS: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/project");
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// Starts background work and prepares the handlers.
///
/// # Errors
/// Invalid mail options, or a failing migration.
pub async fn start(context: ServiceContext, mail: MailOptions) -> anyhow::Result<PreparedService> {
    context.migrate(&MIGRATIONS).await?;
    let sessions = context.remote_sessions();
    let outbox = Outbox::new(NAME, context.clock.clone());
    let tokens = InvitationTokens::new(&context.options.derivation);
    let writer = tokens.clone();
    context.spawn(outbox.clone().deliver(
        context.worker.clone(),
        Mailer::new(&mail)?,
        move |queued| invitations::email::write(&writer, queued),
        context.shutdown.clone(),
    ));
    let routes = routes(&context, &InvitationIssuer { context: context.clone(), outbox }, &tokens);
    let features = ServerFeatures { mail_enabled: mail.is_enabled(), ..ServerFeatures::default() };
    let info = ServerInfo { features: Some(features), ..ServerInfo::default() };
    Ok(context.into_service(DESCRIPTOR_SET, routes, info, sessions))
}

fn routes(context: &ServiceContext, issuer: &InvitationIssuer, tokens: &InvitationTokens) -> Routes {
    let history = HistoryHandler::new(context.clone());
    let projects = ProjectServiceHandler {
        projects: ProjectHandler::new(context.clone()),
        history: history.clone(),
        watch: WatchHandler::new(context.clone()),
    };
    let members = MemberServiceHandler {
        members: MemberHandler::new(context.clone()),
        ownership: OwnershipHandler::new(context.clone()),
        invitations: InvitationHandler { issuer: issuer.clone(), tokens: tokens.clone() },
        history,
    };
    let admin = ProjectAdminServiceHandler {
        import: ImportHandler::new(context.clone()),
        export: ExportHandler::new(context),
        transfer: TransferProjectHandler::new(context.clone()),
        orphans: ListOrphanedProjectsHandler::new(context.clone()),
    };
    let backend_invitations = InvitationServiceHandler { issuer: issuer.clone(), tokens: tokens.clone() };
    let access = AccessServiceHandler::new(context.clone());
    shared::routes![
        ProjectServiceServer(projects),
        MemberServiceServer(members),
        InvitationServiceServer(backend_invitations),
        AccessServiceServer(access),
        ProjectAdminServiceServer(admin),
    ]
}
