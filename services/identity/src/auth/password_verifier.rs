//! Verification of an account's password.

use futures::try_join;
use shared::caller::Caller;
use shared::clock::Clock;
use shared::database::{Database, Transaction};
use shared::error::{Error, ErrorReason, Result};
use shared::service::ServiceContext;
use uuid::Uuid;

use super::queries::{self, Credentials, LockedAccount};
use super::{INVALID_CREDENTIALS, LoginInput};
use crate::limits::{Account, Attempt, AttemptLimiter, Purpose};
use crate::passwords::{Comparison, Passwords};
use crate::schema::UserStatus;
use crate::second_factor;
use crate::sessions::{Device, DeviceTokenKey, SESSION_INVALID};
use crate::users::{self, User};

/// Verifies passwords, within the limits on attempts.
#[derive(Clone)]
pub struct PasswordVerifier {
    database: Database,
    passwords: Passwords,
    limiter: AttemptLimiter,
    device_token_key: DeviceTokenKey,
    clock: Clock,
}

/// A password that was right when it was compared. It authorizes nothing before [`Self::lock`].
#[must_use = "the password may have changed since it was compared"]
pub struct VerifiedPassword {
    pub user_id: Uuid,
    generation: i32,
    /// The compared hash, and one with the current parameters to replace it.
    replacement: Option<(String, String)>,
}

/// The caller's own account, before its password is verified.
pub struct Owner {
    pub user: User,
    pub has_second_factor: bool,
    credentials: Credentials,
}

/// The caller's own password, as [`VerifiedPassword`].
#[must_use = "the password may have changed since it was compared"]
pub struct VerifiedOwner(VerifiedPassword);

impl PasswordVerifier {
    pub fn new(
        context: &ServiceContext,
        passwords: Passwords,
        limiter: AttemptLimiter,
        device_token_key: DeviceTokenKey,
    ) -> Self {
        let (database, clock) = (context.database.clone(), context.clock.clone());
        Self { database, passwords, limiter, device_token_key, clock }
    }

    /// Verifies the password of an active account. Takes as long if there is none.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a wrong password, `RESOURCE_EXHAUSTED` after too many.
    pub async fn verify_login(&self, input: LoginInput, device: &Device) -> Result<VerifiedPassword> {
        let tx = self.database.begin_as(Uuid::nil()).await?;
        let found = queries::find_credentials(&tx, &input.login).await?;
        tx.finish();
        let account = self.counted_account(&input, found.as_ref().map(|credentials| credentials.id));
        self.verify(input.password, found, Attempt::new(Purpose::Login, device).on(account)).await
    }

    /// A device on which the user has signed in before has attempts of its own: strangers cannot use them up.
    fn counted_account(&self, input: &LoginInput, found: Option<Uuid>) -> Account {
        let known_device = found.and_then(|user_id| {
            let session_id = self.device_token_key.verify(&input.device_token, user_id, self.clock.now())?;
            Some(Account::Own { user_id, session_id })
        });
        known_device.unwrap_or_else(|| Account::named(found, &input.login))
    }

    /// The caller's own account.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when it has ended since the session was looked up.
    pub async fn find_owner(&self, caller: &Caller) -> Result<Owner> {
        let user_id = caller.user()?.user_id;
        let tx = self.database.begin(caller).await?;
        let (user, credentials, has_second_factor) = try_join!(
            users::queries::find(&tx, user_id),
            queries::find_own_credentials(&tx),
            second_factor::is_enabled(&tx, user_id)
        )?;
        tx.finish();
        let (user, credentials) = user.zip(credentials).ok_or(SESSION_INVALID)?;
        Ok(Owner { user, has_second_factor, credentials })
    }

    /// Verifies the caller's own password.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for a wrong password, which is no reason to log in again; `RESOURCE_EXHAUSTED` after too
    /// many.
    pub async fn verify_owner(
        &self,
        caller: &Caller,
        owner: Owner,
        password: String,
        device: &Device,
    ) -> Result<VerifiedOwner> {
        let attempt = Attempt::new(Purpose::Login, device).on(Account::own(caller)?);
        match self.verify(password, Some(owner.credentials), attempt).await {
            Ok(verified) => Ok(VerifiedOwner(verified)),
            Err(error) if error.reason() == INVALID_CREDENTIALS.reason() => Err(password_wrong()),
            Err(error) => Err(error),
        }
    }

    async fn verify(
        &self,
        password: String,
        found: Option<Credentials>,
        attempt: Attempt,
    ) -> Result<VerifiedPassword> {
        let compare = async {
            let found = found.filter(|credentials| credentials.status == UserStatus::Active);
            let hash = found.as_ref().map(|credentials| credentials.password_hash.clone());
            let comparison = self.passwords.compare(password.clone(), hash).await?;
            let matching =
                found.filter(|_| comparison != Comparison::Different).ok_or(INVALID_CREDENTIALS)?;
            Ok((matching, comparison))
        };
        let (credentials, comparison) = self.limiter.guard(attempt, compare).await?;
        let replacement = match comparison {
            Comparison::SameButOutdated => {
                Some((credentials.password_hash, self.passwords.hash(password).await?))
            }
            Comparison::Same | Comparison::Different => None,
        };
        Ok(VerifiedPassword {
            user_id: credentials.id,
            generation: credentials.password_generation,
            replacement,
        })
    }
}

impl VerifiedPassword {
    /// Locks the account until the end of this transaction of its user, and replaces an outdated hash.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the password has changed since.
    pub async fn lock(&self, tx: &Transaction) -> Result<LockedAccount> {
        if let Some((compared, hash)) = &self.replacement {
            queries::replace_password_hash(tx, compared, hash).await?;
        }
        let locked = queries::lock_password_generation(tx, self.user_id, self.generation).await?;
        locked.ok_or(INVALID_CREDENTIALS)
    }
}

impl VerifiedOwner {
    /// Locks the account until the end of this transaction of the caller.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when the password has changed since.
    pub async fn lock(&self, tx: &Transaction) -> Result<()> {
        let VerifiedPassword { user_id, generation, .. } = self.0;
        let locked = queries::lock_password_generation(tx, user_id, generation).await?;
        locked.map(drop).ok_or_else(password_wrong)
    }
}

fn password_wrong() -> Error {
    Error::PermissionDenied {
        reason: ErrorReason::PasswordWrong,
        message: "the password is not yours".to_owned(),
        metadata: Vec::new(),
    }
}
