//! The identity service: users, their profiles and their sessions.
//!
//! It owns the schema `identity` and promises:
//! - Names and locations are sealed in the database under keys that it never sees.
//! - A token is shown once and stored as a hash; a password is stored as a hash that no role can read.
//! - A revoked session stops working at once; while Redis is away, within the life of the services' caches.
//! - Losing all of Redis logs nobody out: this service knows every session.
//! - Nobody sees another user's account, profile or sessions, but for the few fields that name them.
//! - While an account has a second factor, no password alone begins a session of it.
//!
//! Not here: what users may do in projects (that is the project service's).

use std::sync::Arc;

use proto::identity::DESCRIPTOR_SET;
use proto::identity::admin::v1::security_admin_service_server::SecurityAdminServiceServer;
use proto::identity::admin::v1::user_admin_service_server::UserAdminServiceServer;
use proto::identity::backend::v1::account_code_service_server::AccountCodeServiceServer;
use proto::identity::backend::v1::session_service_server::SessionServiceServer;
use proto::identity::backend::v1::user_lookup_service_server::UserLookupServiceServer;
use proto::identity::v1::account_service_server::AccountServiceServer;
use proto::identity::v1::auth_service_server::AuthServiceServer;
use proto::identity::v1::user_service_server::UserServiceServer;
use rpc::{AccountHandler, AuthHandler, SecurityAdminHandler, UserAdminHandler};
use shared::database::{Constraint, Rule};
use shared::mail::{MailOptions, Mailer, Outbox, QueuedMail};
use shared::server::MAX_MESSAGE_BYTES as MAX;
use shared::service::ServiceContext;
use tokio::net::TcpListener;
use tonic::service::Routes;

mod accounts;
mod api_tokens;
pub mod audit;
mod auth;
mod codes;
mod emails;
pub mod encryption;
pub mod limits;
mod options;
mod passwords;
mod profiles;
mod rpc;
mod schema;
mod second_factor;
mod sessions;
mod user_administration;
mod users;

use accounts::AccountApi;
use api_tokens::ApiTokenApi;
use audit::{Audit, OperatorAuditApi, SecurityEventApi};
use auth::{AuthApi, SignUpApi};
use codes::{AccountCodeApi, CodeGate, Codes};
use encryption::{KeyApi, KeyRing};
use limits::Limits;
pub use options::{IdentityOptions, RegistrationMode};
pub use passwords::PasswordOptions;
use passwords::Passwords;
use second_factor::{Gate, SecondFactorAdminApi, SecondFactorApi};
pub use sessions::SessionOptions;
use sessions::{Revocations, SessionApi, SessionResolver, SessionStore};
use user_administration::UserAdministrationApi;
use users::{Directory, ExportApi, ImportApi, UserApi};

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "identity";

static SCRIPTS: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../migrations/identity");
/// The migrations of the schema.
pub static MIGRATIONS: shared::migrate::Set = shared::migrate::Set::of_service(NAME, &SCRIPTS);

/// What the schema's constraints mean to clients.
pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "users_email_key", rule: Rule::Taken("email") },
    Constraint { name: "users_username_key", rule: Rule::Taken("username") },
    Constraint { name: "chk_email_format", rule: Rule::Invalid("email", "must be an e-mail address") },
    Constraint {
        name: "chk_username_length",
        rule: Rule::Invalid("username", "must have 3 to 50 characters"),
    },
];

/// The outbox of this service's emails, which are written and sent until told to stop.
fn send_emails(context: &ServiceContext, mail: &MailOptions, codes: Codes) -> anyhow::Result<Outbox> {
    let outbox = Outbox::new(NAME, context.clock.clone());
    let mailer = Mailer::new(mail)?;
    let write = move |queued: &QueuedMail| emails::write(&codes, queued);
    context.spawn(outbox.clone().deliver(context.worker.clone(), mailer, write, context.shutdown.clone()));
    Ok(outbox)
}

/// Forgets what has ended, and seals what is in clear, until told to stop.
fn keep_in_order(context: &ServiceContext, keys: &KeyRing) {
    context.spawn(sessions::forget_ended(
        context.worker.clone(),
        context.clock.clone(),
        context.shutdown.clone(),
    ));
    context.spawn(codes::forget_expired(
        context.worker.clone(),
        context.clock.clone(),
        context.shutdown.clone(),
    ));
    context.spawn(encryption::seal_what_is_clear(
        context.worker.clone(),
        keys.clone(),
        context.shutdown.clone(),
    ));
}

/// Serves until told to stop.
///
/// # Errors
/// When an option is malformed, or a migration, the listener or a certificate fails.
pub async fn serve(
    context: ServiceContext,
    options: IdentityOptions,
    mail: MailOptions,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let keys = options.keys.load()?;
    context.migrate(&MIGRATIONS).await?;
    let store = SessionStore::new(&context, options.sessions.clone());
    let sessions = context.sessions(Arc::new(store.clone()));
    let (revocations, telling) =
        Revocations::new(sessions.clone(), context.redis.clone(), context.shutdown.clone());
    context.spawn(telling);
    keep_in_order(&context, &keys);

    let routes = routes(&context, &options, &mail, keys, store, revocations)?;
    context.serve(DESCRIPTOR_SET, routes, sessions, listener).await
}

/// All that this service answers, and the work beside it that its methods hand on.
fn routes(
    context: &ServiceContext,
    options: &IdentityOptions,
    mail: &MailOptions,
    keys: KeyRing,
    store: SessionStore,
    revocations: Revocations,
) -> anyhow::Result<Routes> {
    let codes = Codes::new(&context.options.service_secret, context.clock.clone());
    let outbox = send_emails(context, mail, codes.clone())?;

    let audit = Audit::new();
    let limits = Limits::new(context.redis.clone(), context.clock.clone(), audit.clone());
    context.spawn(audit.clone().write_until(context.worker.clone(), context.shutdown.clone()));

    let passwords = Passwords::new(&options.passwords)?;
    let auth = AuthApi::new(
        context.clone(),
        keys.clone(),
        passwords.clone(),
        limits.clone(),
        audit.clone(),
        store.clone(),
        revocations.clone(),
    )
    .with_registration(options.registration);
    let gate = Gate::new(limits.clone(), audit.clone());
    let second_factor =
        SecondFactorApi::new(context.clone(), keys.clone(), auth.proofs(), gate, outbox.clone());
    let second_factor_admin = SecondFactorAdminApi { context: context.clone(), outbox: outbox.clone() };
    let account_codes =
        AccountCodeApi { database: context.database.clone(), codes: codes.clone(), outbox: outbox.clone() };
    let administration = UserAdministrationApi {
        context: context.clone(),
        keys: keys.clone(),
        revocations: revocations.clone(),
    };
    let code_gate = CodeGate::new(limits.clone(), audit);
    let sign_up = SignUpApi::new(auth.clone(), codes.clone(), code_gate.clone(), outbox.clone());
    let accounts = AccountApi {
        context: context.clone(),
        keys: keys.clone(),
        proofs: auth.proofs(),
        passwords,
        codes,
        outbox,
        revocations: revocations.clone(),
        limits,
        gate: code_gate,
    };
    let users = UserApi::new(context.clone(), keys.clone());
    let auth = AuthHandler { auth: auth, sign_up, accounts: accounts.clone() };
    let account = AccountHandler {
        users: users.clone(),
        accounts,
        second_factor,
        sessions: SessionApi::new(context.clone(), revocations.clone()),
        api_tokens: ApiTokenApi::new(context.clone(), revocations),
        audit: SecurityEventApi(context.clone()),
    };
    let user_admin = UserAdminHandler {
        user_administration: administration,
        operator: second_factor_admin,
        importing: ImportApi::new(context.worker.clone(), keys.clone()),
        exporting: ExportApi::new(context, keys.clone()),
    };
    let security_admin = SecurityAdminHandler {
        audit: OperatorAuditApi(context.clone()),
        encryption: KeyApi::new(context.worker.clone(), keys),
    };
    let user_lookup = Directory(context.worker.clone());
    Ok(Routes::new(AuthServiceServer::new(auth).max_decoding_message_size(MAX))
        .add_service(AccountServiceServer::new(account).max_decoding_message_size(MAX))
        .add_service(UserServiceServer::new(users).max_decoding_message_size(MAX))
        .add_service(UserAdminServiceServer::new(user_admin).max_decoding_message_size(MAX))
        .add_service(SecurityAdminServiceServer::new(security_admin).max_decoding_message_size(MAX))
        .add_service(AccountCodeServiceServer::new(account_codes).max_decoding_message_size(MAX))
        .add_service(SessionServiceServer::new(SessionResolver(store)).max_decoding_message_size(MAX))
        .add_service(UserLookupServiceServer::new(user_lookup).max_decoding_message_size(MAX)))
}
