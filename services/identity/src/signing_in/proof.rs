//! Whether somebody knows an account's password.

use shared::database::{Database, Transaction};
use shared::error::{Error, ErrorReason, Result};
use shared::schema::UserStatus;
use uuid::Uuid;

use super::{BAD_CREDENTIALS, Login, queries};
use crate::audit::{Audit, Kind};
use crate::limits::{Account, Attempt, Limits, Purpose};
use crate::passwords::{Comparison, Passwords};
use crate::sessions::Device;

/// Checks passwords, within the limits on guessing.
#[derive(Clone)]
pub struct Proofs {
    database: Database,
    passwords: Passwords,
    limits: Limits,
    audit: Audit,
}

/// An account whose password was given.
pub struct Proven {
    /// Whose.
    pub user_id: Uuid,
    /// Which of its passwords.
    pub(super) generation: i32,
    /// A hash to replace the one that was compared, which is under former parameters.
    pub(super) new_hash: Option<Replacement>,
}

/// A signed-in user's proof of their own password.
#[must_use = "the password may have changed since"]
pub struct OwnersProof(Proven);

/// A hash in place of another.
pub(super) struct Replacement {
    pub(super) compared: String,
    pub(super) hash: String,
}

impl Proofs {
    /// Over the database, within these limits.
    pub fn new(database: Database, limits: Limits, passwords: Passwords, audit: Audit) -> Self {
        Self { database, passwords, limits, audit }
    }

    /// Whether a signed-in user gave the password of their own account, named by its address.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for a wrong password, which is no reason to sign in again; `RESOURCE_EXHAUSTED` after too
    /// many.
    pub async fn of_owner(&self, user_id: Uuid, wish: Login, device: &Device) -> Result<OwnersProof> {
        match self.of(wish, device).await {
            Ok(proven) if proven.user_id == user_id => Ok(OwnersProof(proven)),
            Err(error) if error.reason() != ErrorReason::BadCredentials => Err(error),
            _ => Err(password_wrong()),
        }
    }

    /// The active account with this login and password. Takes as long when there is none.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a wrong password, `RESOURCE_EXHAUSTED` after too many.
    pub async fn of(&self, wish: Login, device: &Device) -> Result<Proven> {
        let Login { login, password } = wish;
        let tx = self.database.begin_as(Uuid::nil()).await?;
        let found = queries::find_credentials(&tx, &login).await?;
        tx.finish();

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
            return Err(BAD_CREDENTIALS);
        };
        self.limits.forgive(&attempt).await;
        let new_hash = match comparison {
            Comparison::SameButOutdated => {
                let hash = self.passwords.hash(password).await?;
                Some(Replacement { compared: credentials.password_hash, hash })
            }
            Comparison::Same | Comparison::Different => None,
        };
        Ok(Proven { user_id: credentials.id, generation: credentials.password_generation, new_hash })
    }
}

impl OwnersProof {
    /// Goes on in this transaction only if the password still holds: nobody changes it before the transaction ends.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when there is another by now.
    pub async fn hold(&self, tx: &Transaction) -> Result<()> {
        queries::hold_password(tx, &self.0).await?.map(drop).ok_or_else(password_wrong)
    }
}

fn password_wrong() -> Error {
    Error::PermissionDenied {
        reason: ErrorReason::PasswordWrong,
        message: "the password is not yours".to_owned(),
        metadata: Vec::new(),
    }
}
