//! The identity service: users, their profiles and their sessions.
//!
//! It owns the schema `identity` and promises:
//! - Names and locations are encrypted before they reach the database, under keys that it never sees.
//! - A token is shown once and stored as a hash; a password is stored as a hash that no role can read.
//! - A revoked session stops working at once; while Redis is down, within the life of the services' caches. It stays so when
//!   Redis loses the revocation.
//! - Losing all of Redis logs nobody out: PostgreSQL has every session.
//! - Nobody sees another user's account, profile or sessions, except the few fields that name a user.
//! - While an account has a second factor, no session of it begins with a password alone.
//!
//! Not here: what users may do in projects, which the project service decides.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use proto::common::{self as pb, ServerFeatures, ServerInfo, ServerLimits};
use proto::identity::DESCRIPTOR_SET;
use shared::database::{Constraint, Rule};
use shared::json::to_duration;
use shared::mail::MailOptions;
use shared::service::{PreparedService, ServiceContext};

mod accounts;
mod api_tokens;
mod audit;
mod auth;
mod codes;
mod emails;
pub mod encryption;
mod handler;
mod limits;
mod options;
mod passwords;
mod profiles;
mod rpc;
mod schema;
mod second_factor;
mod sessions;
mod user_administration;
mod users;

use handler::IdentityHandler;
pub use options::{IdentityOptions, RegistrationMode};
pub use passwords::PasswordOptions;
pub use sessions::SessionOptions;
use sessions::{Revocations, SessionStore};

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "identity";
/// How long the start waits for the announcement of recent revocations.
const ANNOUNCEMENT_TIMEOUT: Duration = Duration::from_secs(1);

static SCRIPTS: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/identity");
/// The migrations of the schema.
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// The client errors of the schema's constraints.
pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "users_email_key", rule: Rule::Taken("email") },
    Constraint { name: "users_username_key", rule: Rule::Taken("username") },
    Constraint { name: "idx_users_username_lower", rule: Rule::Taken("username") },
    Constraint { name: "chk_email_format", rule: Rule::Invalid("email", "must be an email address") },
    Constraint {
        name: "chk_username_length",
        rule: Rule::Invalid("username", "must have 3 to 50 characters"),
    },
];

/// Starts background work and prepares the handlers.
///
/// # Errors
/// When an option is malformed, or a migration fails.
pub async fn start(
    context: ServiceContext,
    options: IdentityOptions,
    mail: MailOptions,
) -> anyhow::Result<PreparedService> {
    let keys = options.keys.load()?;
    context.migrate(&MIGRATIONS).await?;
    let store = SessionStore::new(&context, options.sessions.clone());
    let sessions = context.sessions(Arc::new(store.clone()));
    let (revocations, announcer) =
        Revocations::new(sessions.clone(), context.redis.clone(), context.shutdown.clone());
    context.spawn(announcer);
    announce_recent(&context, revocations.clone()).await;
    spawn_cleanup(&context);

    let info = server_info(&options, &mail);
    let handler = IdentityHandler::start(context.clone(), &options, &mail, keys, store, revocations)?;
    Ok(context.into_service(DESCRIPTOR_SET, rpc::routes(&handler), info, sessions))
}

/// Before this service answers. Without PostgreSQL it starts all the same, and announces them later.
async fn announce_recent(context: &ServiceContext, revocations: Revocations) {
    let (worker, clock, shutdown) = (context.worker.clone(), context.clock.clone(), context.shutdown.clone());
    let mut recent = Box::pin(revocations.announce_recent(worker, clock));
    if tokio::time::timeout(ANNOUNCEMENT_TIMEOUT, &mut recent).await.is_err() {
        context.spawn(async move {
            shutdown.run_until_cancelled(recent).await;
        });
    }
}

/// The limits and features of this service alone.
fn server_info(options: &IdentityOptions, mail: &MailOptions) -> ServerInfo {
    let duration = |time: TimeDelta| Some(to_duration(time.num_seconds()));
    ServerInfo {
        limits: Some(ServerLimits {
            session_lifetime: duration(options.sessions.session_lifetime()),
            session_refresh_lifetime: duration(options.sessions.absolute_lifetime()),
            ..ServerLimits::default()
        }),
        features: Some(ServerFeatures {
            registration_mode: match options.registration {
                RegistrationMode::Direct => pb::RegistrationMode::Direct.into(),
                RegistrationMode::Confirmed => pb::RegistrationMode::Verified.into(),
            },
            mail_enabled: mail.is_enabled(),
        }),
        ..ServerInfo::default()
    }
}

/// Deletes ended sessions, API tokens and codes until the service stops.
fn spawn_cleanup(context: &ServiceContext) {
    let (worker, clock, shutdown) = (&context.worker, &context.clock, &context.shutdown);
    context.spawn(sessions::delete_ended(worker.clone(), clock.clone(), shutdown.clone()));
    context.spawn(codes::delete_expired(worker.clone(), clock.clone(), shutdown.clone()));
}
