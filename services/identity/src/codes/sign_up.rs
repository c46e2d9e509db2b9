//! Codes that prove the address of an account that does not exist yet. The account gets the id of its code.

use chrono::{DateTime, Utc};
use shared::authentication::token_hash;
use shared::database::Transaction;
use shared::error::Result;
use uuid::Uuid;

use super::queries::{self, RedeemedSignUpCode};
use super::{Codes, Purpose, RedeemInput, SignUpCodeInput, invalid, is_code};

pub struct IssuedSignUpCode {
    /// The account that has the address already: then nobody learns the code.
    pub owner: Option<Uuid>,
    /// The id that the account will have.
    pub id: Uuid,
    /// Set if the code is not mailed.
    pub code: Option<String>,
    pub expires_at: DateTime<Utc>,
}

impl Codes {
    /// Stores a code and queues its email, with the same work whether the address has an account or not. Wake the outbox
    /// after the commit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_sign_up_code(
        &self,
        tx: &Transaction,
        input: &SignUpCodeInput,
    ) -> Result<IssuedSignUpCode> {
        let id = Uuid::now_v7();
        let code = self.code(Purpose::SignUp, id);
        let now = self.clock.now();
        let lifetime = queries::Lifetime { now, expires_at: now + Purpose::SignUp.lifetime() };
        let expires_at = lifetime.expires_at;
        let owner = queries::issue_sign_up_code(tx, id, token_hash(&code), input, lifetime).await?;
        let code = Some(code).filter(|_| owner.is_none() && !input.is_mailed);
        Ok(IssuedSignUpCode { owner, id, code, expires_at })
    }

    /// Uses a code up in this transaction.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` when it does not work, for whatever reason.
    pub async fn redeem_sign_up_code(
        &self,
        tx: &Transaction,
        RedeemInput { request_id, code }: &RedeemInput,
    ) -> Result<RedeemedSignUpCode> {
        if !is_code(code) {
            return Err(invalid());
        }
        let hash = token_hash(code);
        queries::redeem_sign_up_code(tx, hash, *request_id, self.clock.now()).await?.ok_or_else(invalid)
    }
}
