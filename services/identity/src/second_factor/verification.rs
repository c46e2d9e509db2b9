//! Verification of codes.

use chrono::{DateTime, Utc};
use futures::try_join;
use shared::database::Transaction;
use shared::error::Result;
use uuid::Uuid;

use super::queries::Factor;
use super::totp::SharedSecret;
use super::{
    CHALLENGE_INVALID, ENROLMENT_LIFETIME, Proof, SECOND_FACTOR_INVALID, already_enabled, challenges,
    not_enabled, queries,
};
use crate::encryption::{AssociatedData, KeyRing, TOTP_SECRET};
use crate::users;

/// The claim that a user has an account's second factor.
pub struct ProofClaim<'a> {
    pub user_id: Uuid,
    pub proof: &'a Proof,
    pub now: DateTime<Utc>,
}

/// Completes a challenge with a code in this transaction of its user. If it does not commit, neither is used.
///
/// # Errors
/// As [`verify_proof`], and `UNAUTHENTICATED` when the challenge has been completed already.
pub async fn complete_challenge(
    tx: &Transaction,
    keys: &KeyRing,
    challenge: &str,
    claim: &ProofClaim<'_>,
) -> Result<()> {
    users::queries::send_lock(tx, claim.user_id)?;
    let (factor, existed) = try_join!(queries::lock(tx, claim.user_id), challenges::delete(tx, challenge))?;
    if factor.is_some() && !existed {
        return Err(CHALLENGE_INVALID);
    }
    verify_proof(tx, keys, factor, claim).await.map(drop)
}

/// Verifies a code and marks it as used, in the transaction that has locked the factor.
///
/// # Errors
/// `UNAUTHENTICATED` when the code is wrong or was used before; `FAILED_PRECONDITION` when there is no factor.
pub(super) async fn verify_proof(
    tx: &Transaction,
    keys: &KeyRing,
    factor: Option<Factor>,
    claim: &ProofClaim<'_>,
) -> Result<SharedSecret> {
    let factor = factor.filter(|factor| factor.confirmed_at.is_some()).ok_or_else(not_enabled)?;
    let secret = decrypt_secret(keys, claim.user_id, &factor)?;
    match claim.proof {
        Proof::Code(code) => use_code(tx, &secret, &factor, claim, code)?,
        Proof::Recovery(code) => {
            let existed = queries::delete_recovery_code(tx, claim.user_id, &code.hash(&secret)?).await?;
            existed.then_some(()).ok_or(SECOND_FACTOR_INVALID)?;
        }
    }
    Ok(secret)
}

/// As [`verify_proof`], for a factor that waits for its confirmation.
pub(super) fn verify_first_code(
    tx: &Transaction,
    keys: &KeyRing,
    factor: Option<Factor>,
    claim: &ProofClaim<'_>,
) -> Result<SharedSecret> {
    let factor = factor.ok_or_else(not_enabled)?;
    if factor.confirmed_at.is_some() {
        return Err(already_enabled());
    }
    if factor.created_at + ENROLMENT_LIFETIME <= claim.now {
        return Err(not_enabled());
    }
    let Proof::Code(code) = claim.proof else { return Err(SECOND_FACTOR_INVALID) };
    let secret = decrypt_secret(keys, claim.user_id, &factor)?;
    use_code(tx, &secret, &factor, claim, code)?;
    Ok(secret)
}

pub(super) fn decrypt_secret(keys: &KeyRing, user_id: Uuid, factor: &Factor) -> Result<SharedSecret> {
    let text = keys.decrypt(AssociatedData::new(TOTP_SECRET, user_id), &factor.totp_secret)?;
    SharedSecret::from_base32(&text)
}

fn use_code(
    tx: &Transaction,
    secret: &SharedSecret,
    factor: &Factor,
    claim: &ProofClaim<'_>,
    code: &str,
) -> Result<()> {
    let step = secret.step_of(code, claim.now, factor.last_used_step)?.ok_or(SECOND_FACTOR_INVALID)?;
    queries::send_last_used_step(tx, claim.user_id, step)
}
