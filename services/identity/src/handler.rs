//! The handler of all RPCs of this service.

use chrono::{DateTime, Utc};
use shared::caller::Caller;
use shared::database::{GatheredReads, Transaction};
use shared::error::Result;
use shared::export::Exports;
use shared::mail::{MailOptions, Mailer, Outbox, QueuedMail};
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::audit::Audit;
use crate::auth::PasswordVerifier;
use crate::codes::Codes;
use crate::encryption::KeyRing;
use crate::limits::AttemptLimiter;
use crate::passwords::Passwords;
use crate::second_factor::RecoveryKey;
use crate::sessions::{ApiTokenKey, DeviceTokenKey, Revocations, SessionStore, SuccessorKey};
use crate::users::User;
use crate::users::queries::CallerRow;
use crate::{IdentityOptions, NAME, RegistrationMode, emails, users};

/// Implements all services of the identity API. Its methods live with the resources that they are about.
#[derive(Clone)]
pub(crate) struct IdentityHandler {
    pub context: ServiceContext,
    pub registration: RegistrationMode,
    pub keys: KeyRing,
    pub passwords: Passwords,
    pub verifier: PasswordVerifier,
    pub limiter: AttemptLimiter,
    pub codes: Codes,
    pub outbox: Outbox,
    pub store: SessionStore,
    pub revocations: Revocations,
    pub user_reads: GatheredReads<User>,
    pub caller_reads: GatheredReads<CallerRow>,
    pub successor_key: SuccessorKey,
    pub recovery_key: RecoveryKey,
    pub api_token_key: ApiTokenKey,
    pub device_token_key: DeviceTokenKey,
    pub exports: Exports,
}

impl IdentityHandler {
    /// Also starts the delivery of emails and the recording of failures, which run until the service stops.
    ///
    /// # Errors
    /// When an option is malformed.
    pub fn start(
        context: ServiceContext,
        options: &IdentityOptions,
        mail: &MailOptions,
        keys: KeyRing,
        store: SessionStore,
        revocations: Revocations,
    ) -> anyhow::Result<Self> {
        let audit = Audit::new();
        context.spawn(audit.clone().write_until(context.worker.clone(), context.shutdown.clone()));
        let limiter = AttemptLimiter::new(context.redis.clone(), context.clock.clone(), audit);
        let passwords = Passwords::new(&options.passwords)?;
        let codes = Codes::new(&context.options.derivation, context.clock.clone());
        let device_token_key = DeviceTokenKey::new(&context.options.derivation);
        Ok(Self {
            registration: options.registration,
            keys,
            verifier: PasswordVerifier::new(
                &context,
                passwords.clone(),
                limiter.clone(),
                device_token_key.clone(),
            ),
            passwords,
            limiter,
            outbox: deliver_emails(&context, mail, codes.clone())?,
            codes,
            store,
            revocations,
            user_reads: users::queries::gathered_reads(&context.database),
            caller_reads: users::queries::gathered_caller_reads(&context.database),
            successor_key: SuccessorKey::new(&context.options.derivation),
            recovery_key: RecoveryKey::new(&context.options.derivation),
            api_token_key: ApiTokenKey::new(&context.options.derivation),
            device_token_key,
            exports: Exports::new(&context),
            context,
        })
    }

    /// A transaction that acts for the caller.
    pub async fn begin(&self, caller: &Caller) -> Result<Transaction> {
        self.context.database.begin(caller).await
    }

    /// A transaction that acts for a user who has proven to be one.
    pub async fn begin_as(&self, user_id: Uuid) -> Result<Transaction> {
        self.context.database.begin_as(user_id).await
    }

    /// A transaction that acts for nobody: functions of the database answer what must be known.
    pub async fn begin_anonymous(&self) -> Result<Transaction> {
        self.begin_as(Uuid::nil()).await
    }

    /// A transaction of the background role, which sees all accounts.
    pub async fn begin_background(&self) -> Result<Transaction> {
        self.context.worker.begin_background().await
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.context.clock.now()
    }
}

fn deliver_emails(context: &ServiceContext, mail: &MailOptions, codes: Codes) -> anyhow::Result<Outbox> {
    let outbox = Outbox::new(NAME, context.clock.clone());
    let mailer = Mailer::new(mail)?;
    let write = move |queued: &QueuedMail| emails::write(&codes, queued);
    context.spawn(outbox.clone().deliver(context.worker.clone(), mailer, write, context.shutdown.clone()));
    Ok(outbox)
}
