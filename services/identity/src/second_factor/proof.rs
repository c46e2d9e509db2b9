//! Whether somebody holds an account's second factor.

use chrono::{DateTime, Utc};
use futures::try_join;
use shared::database::Transaction;
use shared::error::Result;
use uuid::Uuid;

use super::queries::Factor;
use super::totp::SharedSecret;
use super::{
    CHALLENGE_INVALID, ENROLMENT_LIFE, Proof, SECOND_FACTOR_INVALID, challenges, is_off, is_on_already,
    queries,
};
use crate::encryption::{KeyRing, Place, TOTP_SECRET};
use crate::users;

/// Somebody's word that they hold an account's second factor.
pub struct Claim<'a> {
    /// Whose.
    pub user_id: Uuid,
    /// What they show.
    pub proof: &'a Proof,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Uses a challenge up with the shown code, in this transaction of that user: what does not commit has not been used.
///
/// # Errors
/// As [`prove`], and `UNAUTHENTICATED` when the challenge has been met.
pub async fn meet(tx: &Transaction, keys: &KeyRing, challenge: &str, claim: &Claim<'_>) -> Result<()> {
    users::queries::lock_ahead(tx, claim.user_id)?;
    let (factor, was_there) = try_join!(queries::lock(tx, claim.user_id), challenges::use_up(tx, challenge))?;
    if factor.is_some() && !was_there {
        return Err(CHALLENGE_INVALID);
    }
    prove(tx, keys, factor, claim).await.map(drop)
}

/// Uses the shown code up, in the transaction that has locked the factor.
///
/// # Errors
/// `UNAUTHENTICATED` when the code is wrong or was used before; `FAILED_PRECONDITION` when the factor is off.
pub(super) async fn prove(
    tx: &Transaction,
    keys: &KeyRing,
    factor: Option<Factor>,
    claim: &Claim<'_>,
) -> Result<SharedSecret> {
    let factor = factor.filter(|factor| factor.confirmed_at.is_some()).ok_or_else(is_off)?;
    let secret = open(keys, claim.user_id, &factor)?;
    match claim.proof {
        Proof::Code(code) => use_code(tx, &secret, &factor, claim.user_id, code, claim.now)?,
        Proof::Recovery(code) => {
            let hash = code.hash(&secret)?;
            let was_there = queries::use_recovery_code(tx, claim.user_id, &hash).await?;
            was_there.then_some(()).ok_or(SECOND_FACTOR_INVALID)?;
        }
    }
    Ok(secret)
}

/// As [`prove`], by a code for a factor that waits to be confirmed.
pub(super) fn prove_first(
    tx: &Transaction,
    keys: &KeyRing,
    factor: Option<Factor>,
    claim: &Claim<'_>,
) -> Result<SharedSecret> {
    let factor = factor.ok_or_else(is_off)?;
    if factor.confirmed_at.is_some() {
        return Err(is_on_already());
    }
    if factor.created_at + ENROLMENT_LIFE <= claim.now {
        return Err(is_off());
    }
    let Proof::Code(code) = claim.proof else { return Err(SECOND_FACTOR_INVALID) };
    let secret = open(keys, claim.user_id, &factor)?;
    use_code(tx, &secret, &factor, claim.user_id, code, claim.now)?;
    Ok(secret)
}

/// The secret of a factor.
pub(super) fn open(keys: &KeyRing, user_id: Uuid, factor: &Factor) -> Result<SharedSecret> {
    SharedSecret::from_base32(&keys.open(Place::of(TOTP_SECRET, user_id), &factor.totp_secret)?)
}

fn use_code(
    tx: &Transaction,
    secret: &SharedSecret,
    factor: &Factor,
    user_id: Uuid,
    code: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let step = secret.step_of(code, now, factor.last_used_step)?.ok_or(SECOND_FACTOR_INVALID)?;
    queries::use_step(tx, user_id, step)
}
