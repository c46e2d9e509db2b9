//! Whether somebody knows an account's password.

use crate::schema::UserStatus;
use futures::try_join;
use shared::caller::Caller;
use shared::database::{Database, Transaction};
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use super::queries::FoundCredentials;
use super::{INVALID_CREDENTIALS, Login, queries};
use crate::audit::{Audit, Kind};
use crate::limits::{Account, Attempt, Limits, Purpose};
use crate::passwords::{Comparison, Passwords};
use crate::second_factor;
use crate::sessions::{Device, SESSION_INVALID};
use crate::users::{self, User};

/// Checks passwords, within the limits on guessing.
#[derive(Clone)]
pub struct PasswordVerifier {
    database: Database,
    passwords: Passwords,
    limits: Limits,
    audit: Audit,
}

/// An account whose password was given.
pub struct VerifiedPassword {
    /// Whose.
    pub user_id: Uuid,
    /// Which of its passwords.
    pub(super) generation: i32,
    /// A hash to replace the one that was compared, which is under former parameters.
    pub(super) new_hash: Option<Replacement>,
}

/// A signed-in user's own account, before they prove its password.
pub struct Owner {
    /// The account.
    pub user: User,
    /// Whether signing in takes a code as well.
    pub has_second_factor: bool,
    credentials: FoundCredentials,
}

/// A signed-in user's proof of their own password.
#[must_use = "the password may have changed since"]
pub struct OwnersProof(VerifiedPassword);

/// A hash in place of another.
pub(super) struct Replacement {
    pub(super) compared: String,
    pub(super) hash: String,
}

impl PasswordVerifier {
    /// Over the database, within these limits.
    pub fn new(database: Database, limits: Limits, passwords: Passwords, audit: Audit) -> Self {
        Self { database, passwords, limits, audit }
    }

    /// The caller's own account.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when it has ended since the session was looked up.
    pub async fn owner(&self, caller: &Caller) -> Result<Owner> {
        let user_id = caller.user()?.user_id;
        let tx = self.database.begin(caller).await?;
        let (user, found, has_second_factor) = try_join!(
            users::queries::find(&tx, user_id),
            queries::find_own_credentials(&tx),
            second_factor::is_on(&tx, user_id)
        )?;
        tx.finish();
        let (user, credentials) = user.zip(found).ok_or(SESSION_INVALID)?;
        Ok(Owner { user, has_second_factor, credentials })
    }

    /// Whether a signed-in user gave the password of their own account.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for a wrong password, which is no reason to sign in again; `RESOURCE_EXHAUSTED` after too
    /// many.
    pub async fn of_owner(&self, owner: Owner, password: String, device: &Device) -> Result<OwnersProof> {
        let login = Login { login: owner.user.email, password };
        match self.look(login, Some(owner.credentials), device).await {
            Ok(proven) => Ok(OwnersProof(proven)),
            Err(error) if error.reason() != ErrorReason::InvalidCredentials => Err(error),
            Err(_) => Err(password_wrong()),
        }
    }

    /// The active account with this login and password. Takes as long when there is none.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a wrong password, `RESOURCE_EXHAUSTED` after too many.
    pub async fn of(&self, wish: Login, device: &Device) -> Result<VerifiedPassword> {
        let tx = self.database.begin_as(Uuid::nil()).await?;
        let found = queries::find_credentials(&tx, &wish.login).await?;
        tx.finish();
        self.look(wish, found, device).await
    }

    /// Whether what was found has this password.
    async fn look(
        &self,
        Login { login, password }: Login,
        found: Option<FoundCredentials>,
        device: &Device,
    ) -> Result<VerifiedPassword> {
        let known = found.as_ref().map(|credentials| credentials.id);
        let attempt = Attempt::new(Purpose::Login).on(Account::named(known, &login)).from(device);
        let attempt = self.limits.admit(attempt).await?;

        let found = found.filter(|credentials| credentials.status == UserStatus::Active);
        let hash = found.as_ref().map(|credentials| credentials.password_hash.clone());
        let comparison = match self.passwords.compare(password.clone(), hash).await {
            Ok(comparison) => comparison,
            Err(not_looked_at) => {
                self.limits.take_back(&attempt).await;
                return Err(not_looked_at);
            }
        };
        let Some(credentials) = found.filter(|_| comparison != Comparison::Different) else {
            self.audit.note_failure(Kind::LoginFailure, known, device);
            return Err(INVALID_CREDENTIALS);
        };
        self.limits.forgive(&attempt).await;
        let new_hash = match comparison {
            Comparison::SameButOutdated => {
                let hash = self.passwords.hash(password).await?;
                Some(Replacement { compared: credentials.password_hash, hash })
            }
            Comparison::Same | Comparison::Different => None,
        };
        Ok(VerifiedPassword {
            user_id: credentials.id,
            generation: credentials.password_generation,
            new_hash,
        })
    }
}

impl OwnersProof {
    /// Goes on in this transaction only if the password still holds: nobody changes it before the transaction ends.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when there is another by now.
    pub async fn hold(&self, tx: &Transaction) -> Result<()> {
        queries::lock_password_generation(tx, &self.0).await?.map(drop).ok_or_else(password_wrong)
    }
}

fn password_wrong() -> Error {
    Error::PermissionDenied {
        reason: ErrorReason::PasswordWrong,
        message: "the password is not yours".to_owned(),
        metadata: Vec::new(),
    }
}
