//! Codes that prove the address of an account to come. The account gets the id of its code.

use chrono::{DateTime, Utc};
use shared::authentication::token_hash;
use shared::database::Transaction;
use shared::error::Result;
use uuid::Uuid;

use super::queries::{self, ProvenAddress};
use super::{Codes, Purpose, Redemption, invalid, is_code};

/// A wish for a code to sign up.
#[derive(Debug)]
pub struct SignUpWish {
    /// With this address.
    pub email: String,
    /// Whether the code is mailed; otherwise it is returned.
    pub is_mailed: bool,
}

/// A code to sign up that was just made.
pub struct SignUpCode {
    /// The account that has the address already; then nobody gets to know the code.
    pub owner: Option<Uuid>,
    /// The id that the account will have.
    pub id: Uuid,
    /// The code, if it was to be returned.
    pub code: Option<String>,
    /// Its end.
    pub expires_at: DateTime<Utc>,
}

impl Codes {
    /// Makes a code and queues its letter, with the same work whether the address has an account or not. Wake the
    /// outbox after the commit.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn issue_to_sign_up(&self, tx: &Transaction, wish: &SignUpWish) -> Result<SignUpCode> {
        let (id, purpose) = (Uuid::now_v7(), Purpose::SignUp);
        let code = self.code(purpose, id);
        let now = self.clock.now();
        let lifetime = queries::Lifetime { now, expires_at: now + purpose.life() };
        let (expires_at, letter) = (lifetime.expires_at, wish.is_mailed.then(|| purpose.letter()));
        let owner =
            queries::issue_to_sign_up(tx, id, token_hash(&code), &wish.email, letter, lifetime).await?;
        let code = Some(code).filter(|_| owner.is_none() && !wish.is_mailed);
        Ok(SignUpCode { owner, id, code, expires_at })
    }

    /// Uses a code to sign up in this transaction.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` when it does not work; nobody can tell why.
    pub async fn redeem_to_sign_up(
        &self,
        tx: &Transaction,
        Redemption { request_id, code }: &Redemption,
    ) -> Result<ProvenAddress> {
        if !is_code(code) {
            return Err(invalid());
        }
        let proven = queries::redeem_to_sign_up(tx, token_hash(code), *request_id, self.clock.now()).await?;
        proven.ok_or_else(invalid)
    }
}
