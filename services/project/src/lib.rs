//! The project service: projects, who belongs to them, and who may therefore do what.
//!
//! It alone decides access. Siblings keep copies of its decisions, which they follow through
//! `AccessService` and never change. It promises that a project has exactly one owner, that nobody gives
//! away more than they have, and that a change of access reaches every follower.
//!
//! Not here: users (identity) and what a project holds (task, content). Deleting a project removes its
//! content elsewhere through the change log, or through foreign keys where the schemas share a database.

mod access;
mod export;
mod feed;
mod history;
mod import;
mod invitations;
mod members;
mod ownership;
mod projects;
mod rpc;
mod schema;

use proto::project::DESCRIPTOR_SET;
use proto::project::admin::v1::project_admin_service_server::ProjectAdminServiceServer;
use proto::project::backend::v1::access_service_server::AccessServiceServer;
use proto::project::backend::v1::invitation_service_server::InvitationServiceServer;
use proto::project::v1::member_service_server::MemberServiceServer;
use proto::project::v1::project_service_server::ProjectServiceServer;
use shared::database::{Constraint, Rule};
use shared::error::ErrorReason;
use shared::mail::{MailOptions, Mailer, Outbox};
use shared::server::MAX_MESSAGE_BYTES;
use shared::service::ServiceContext;
use tokio::net::TcpListener;
use tonic::service::Routes;

use access::rpc::Access;
use export::Exporting;
use feed::rpc::Feed;
use history::rpc::History;
use import::rpc::Imports;
use invitations::inviting::Inviting;
use invitations::issuing::Issuing;
use invitations::rpc::Invitations;
use invitations::token::InvitationTokens;
use members::rpc::Members;
use ownership::rpc::Ownership;
use projects::rpc::Projects;
use rpc::{MemberHandler, ProjectAdminHandler, ProjectHandler};

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "project";

static SCRIPTS: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/project");
/// The migrations of the schema.
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// What the schema's constraints mean to a client.
pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "idx_invitations_one_pending", rule: Rule::Taken("email") },
    Constraint { name: "idx_ownership_transfers_one_pending", rule: Rule::Taken("project_id") },
    Constraint {
        name: "chk_one_owner",
        rule: Rule::Forbidden(ErrorReason::OwnerRequired, "a project keeps its owner", None),
    },
    Constraint { name: "projects_pkey", rule: Rule::Taken("project_id") },
    Constraint { name: "projects_owner_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "project_members_project_id_user_id_key", rule: Rule::Taken("user_id") },
    Constraint { name: "fk_project_members_user_id", rule: Rule::Missing("user") },
    Constraint { name: "fk_project_members_project_id", rule: Rule::Missing("project") },
];

/// Serves until told to stop.
///
/// # Errors
/// When the options of mail are malformed, or a migration, the listener or a certificate fails.
pub async fn serve(context: ServiceContext, mail: MailOptions, listener: TcpListener) -> anyhow::Result<()> {
    context.migrate(&MIGRATIONS).await?;
    let sessions = context.remote_sessions();
    let outbox = Outbox::new(NAME, context.clock.clone());
    let tokens = InvitationTokens::new(&context.options.service_secret);
    let writer = tokens.clone();
    context.spawn(outbox.clone().deliver(
        context.worker.clone(),
        Mailer::new(&mail)?,
        move |queued| invitations::mail::write(&writer, queued),
        context.shutdown.clone(),
    ));
    let routes = routes(&context, &Inviting { context: context.clone(), outbox }, &tokens);
    context.serve(DESCRIPTOR_SET, routes, sessions, listener).await
}

fn routes(context: &ServiceContext, inviting: &Inviting, tokens: &InvitationTokens) -> Routes {
    let history = History::new(context.clone());
    let projects = ProjectHandler {
        projects: Projects::new(context.clone()),
        history: history.clone(),
        feed: Feed::new(context.clone()),
    };
    let members = MemberHandler {
        members: Members::new(context.clone()),
        ownership: Ownership::new(context.clone()),
        invitations: Invitations { inviting: inviting.clone(), tokens: tokens.clone() },
        history,
    };
    let admin =
        ProjectAdminHandler { imports: Imports::new(context.clone()), exports: Exporting::new(context) };
    let issuing = Issuing { inviting: inviting.clone(), tokens: tokens.clone() };
    let access = Access::new(context.clone());
    Routes::new(ProjectServiceServer::new(projects).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(MemberServiceServer::new(members).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(InvitationServiceServer::new(issuing).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(AccessServiceServer::new(access).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(ProjectAdminServiceServer::new(admin).max_decoding_message_size(MAX_MESSAGE_BYTES))
}
