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
use shared::service::Ground;
use tokio::net::TcpListener;
use tonic::service::Routes;

mod accounts;
mod api_tokens;
pub mod audit;
mod codes;
mod letters;
pub mod limits;
mod operating;
mod options;
mod passwords;
mod profiles;
mod rpc;
mod schema;
pub mod sealing;
mod second_factor;
mod sessions;
mod signing_in;
mod users;

use accounts::AccountApi;
use api_tokens::ApiTokenApi;
use audit::{Audit, OperatorAuditApi, SecurityEventApi};
use codes::{AccountCodeApi, CodeGate, Codes};
use limits::Limits;
use operating::UserAdministrationApi;
pub use options::{IdentityOptions, RegistrationMode};
pub use passwords::PasswordOptions;
use passwords::Passwords;
use sealing::{KeyApi, KeyRing};
use second_factor::{Gate, SecondFactorAdminApi, SecondFactorApi};
pub use sessions::SessionOptions;
use sessions::{Revocations, SessionApi, SessionResolver, SessionStore};
use signing_in::{AuthApi, SignUpApi};
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

/// The outbox of this service's letters, which are written and sent until told to stop.
fn send_letters(ground: &Ground, mail: &MailOptions, codes: Codes) -> anyhow::Result<Outbox> {
    let outbox = Outbox::new(NAME, ground.clock.clone());
    let mailer = Mailer::new(mail)?;
    let write = move |queued: &QueuedMail| letters::write(&codes, queued);
    ground.spawn(outbox.clone().deliver(ground.worker.clone(), mailer, write, ground.shutdown.clone()));
    Ok(outbox)
}

/// Forgets what has ended, and seals what is in clear, until told to stop.
fn keep_in_order(ground: &Ground, keys: &KeyRing) {
    ground.spawn(sessions::forget_ended(
        ground.worker.clone(),
        ground.clock.clone(),
        ground.shutdown.clone(),
    ));
    ground.spawn(codes::forget_expired(ground.worker.clone(), ground.clock.clone(), ground.shutdown.clone()));
    ground.spawn(sealing::seal_what_is_clear(ground.worker.clone(), keys.clone(), ground.shutdown.clone()));
}

/// Serves until told to stop.
///
/// # Errors
/// When an option is malformed, or a migration, the listener or a certificate fails.
pub async fn serve(
    ground: Ground,
    options: IdentityOptions,
    mail: MailOptions,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let keys = options.keys.load()?;
    ground.migrate(&MIGRATIONS).await?;
    let store = SessionStore::new(&ground, options.sessions.clone());
    let sessions = ground.sessions(Arc::new(store.clone()));
    let (revocations, telling) =
        Revocations::new(sessions.clone(), ground.redis.clone(), ground.shutdown.clone());
    ground.spawn(telling);
    keep_in_order(&ground, &keys);

    let routes = routes(&ground, &options, &mail, keys, store, revocations)?;
    ground.serve(DESCRIPTOR_SET, routes, sessions, listener).await
}

/// All that this service answers, and the work beside it that its methods hand on.
fn routes(
    ground: &Ground,
    options: &IdentityOptions,
    mail: &MailOptions,
    keys: KeyRing,
    store: SessionStore,
    revocations: Revocations,
) -> anyhow::Result<Routes> {
    let codes = Codes::new(&ground.options.service_secret, ground.clock.clone());
    let outbox = send_letters(ground, mail, codes.clone())?;

    let audit = Audit::new();
    let limits = Limits::new(ground.redis.clone(), ground.clock.clone(), audit.clone());
    ground.spawn(audit.clone().write_until(ground.worker.clone(), ground.shutdown.clone()));

    let passwords = Passwords::new(&options.passwords)?;
    let auth = AuthApi::new(
        ground.clone(),
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
        SecondFactorApi::new(ground.clone(), keys.clone(), auth.proofs(), gate, outbox.clone());
    let second_factor_admin = SecondFactorAdminApi { ground: ground.clone(), outbox: outbox.clone() };
    let account_codes =
        AccountCodeApi { database: ground.database.clone(), codes: codes.clone(), outbox: outbox.clone() };
    let administration = UserAdministrationApi {
        ground: ground.clone(),
        keys: keys.clone(),
        revocations: revocations.clone(),
    };
    let code_gate = CodeGate::new(limits.clone(), audit);
    let sign_up = SignUpApi::new(auth.clone(), codes.clone(), code_gate.clone(), outbox.clone());
    let accounts = AccountApi {
        ground: ground.clone(),
        keys: keys.clone(),
        proofs: auth.proofs(),
        passwords,
        codes,
        outbox,
        revocations: revocations.clone(),
        limits,
        gate: code_gate,
    };
    let users = UserApi::new(ground.clone(), keys.clone());
    let auth = AuthHandler { signing_in: auth, sign_up, accounts: accounts.clone() };
    let account = AccountHandler {
        users: users.clone(),
        accounts,
        second_factor,
        sessions: SessionApi::new(ground.clone(), revocations.clone()),
        api_tokens: ApiTokenApi::new(ground.clone(), revocations),
        audit: SecurityEventApi(ground.clone()),
    };
    let user_admin = UserAdminHandler {
        operating: administration,
        operator: second_factor_admin,
        importing: ImportApi::new(ground.worker.clone(), keys.clone()),
        exporting: ExportApi::new(ground, keys.clone()),
    };
    let security_admin = SecurityAdminHandler {
        audit: OperatorAuditApi(ground.clone()),
        sealing: KeyApi::new(ground.worker.clone(), keys),
    };
    let user_lookup = Directory(ground.worker.clone());
    Ok(Routes::new(AuthServiceServer::new(auth).max_decoding_message_size(MAX))
        .add_service(AccountServiceServer::new(account).max_decoding_message_size(MAX))
        .add_service(UserServiceServer::new(users).max_decoding_message_size(MAX))
        .add_service(UserAdminServiceServer::new(user_admin).max_decoding_message_size(MAX))
        .add_service(SecurityAdminServiceServer::new(security_admin).max_decoding_message_size(MAX))
        .add_service(AccountCodeServiceServer::new(account_codes).max_decoding_message_size(MAX))
        .add_service(SessionServiceServer::new(SessionResolver(store)).max_decoding_message_size(MAX))
        .add_service(UserLookupServiceServer::new(user_lookup).max_decoding_message_size(MAX)))
}
