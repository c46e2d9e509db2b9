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
mod emails;
mod events;
mod export;
mod feed;
mod handler;
mod history;
mod import;
mod invitations;
mod members;
mod notification_preferences;
mod notifications;
mod ownership;
mod projects;
mod rpc;
mod schema;
mod subscriptions;
mod webhooks;

use proto::common::{ServerFeatures, ServerInfo};
use proto::project::DESCRIPTOR_SET;
use shared::mail::{MailOptions, Mailer, Outbox};
use shared::service::{PreparedService, ServiceContext};

pub use schema::NAME;
pub use webhooks::WebhookOptions;

use events::EventConsumers;
use handler::ProjectHandler;
use invitations::token::InvitationTokens;

static SCRIPTS: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/project");
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// Starts background work and prepares the handlers.
///
/// # Errors
/// Invalid mail options, a failing migration, or a TLS client that cannot be made.
pub async fn start(
    context: ServiceContext,
    mail: MailOptions,
    webhooks: WebhookOptions,
) -> anyhow::Result<PreparedService> {
    context.migrate(&MIGRATIONS).await?;
    let sessions = context.remote_sessions();
    let outbox = Outbox::new(NAME, context.clock.clone());
    let tokens = InvitationTokens::new(&context.options.derivation);
    let writer = tokens.clone();
    context.spawn(outbox.clone().deliver(
        context.worker.clone(),
        Mailer::new(&mail)?,
        move |queued| emails::write(&writer, queued),
        context.shutdown.clone(),
    ));
    let handler = ProjectHandler::new(context.clone(), outbox.clone(), tokens, webhooks);
    let sender =
        webhooks::Sender::new(&context, &handler.webhooks, &handler.webhook_secrets, &outbox, webhooks)?;
    context.spawn(sender.run());
    let consumers = EventConsumers { signal: context.signal.clone(), webhooks: handler.webhooks.clone() };
    events::spawn(&context, &consumers);
    let features = ServerFeatures { mail_enabled: mail.is_enabled(), ..ServerFeatures::default() };
    let info = ServerInfo { features: Some(features), ..ServerInfo::default() };
    Ok(context.into_service(DESCRIPTOR_SET, rpc::routes(&handler), info, sessions))
}
