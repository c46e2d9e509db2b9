//! Limits on guessing codes.

use shared::error::Result;
use uuid::Uuid;

use super::SECOND_FACTOR_INVALID;
use crate::audit::{Audit, Kind};
use crate::limits::{Account, Attempt, Limits, Purpose};
use crate::sessions::Device;

/// Lets codes be looked at within limits, and notes wrong ones.
#[derive(Clone)]
pub struct Gate {
    limits: Limits,
    audit: Audit,
}

impl Gate {
    /// Within these limits; failures are told to the audit.
    pub fn new(limits: Limits, audit: Audit) -> Self {
        Self { limits, audit }
    }

    /// Runs what looks at a code of this account.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when there were too many wrong codes; those of the work.
    pub async fn guard<T>(
        &self,
        user_id: Uuid,
        device: &Device,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let attempt = Attempt::new(Purpose::SecondFactor).on(Account::Known(user_id)).from(device);
        let attempt = self.limits.admit(attempt).await?;
        let outcome = work.await;
        match &outcome {
            Ok(_) => self.limits.forgive(&attempt).await,
            Err(error) if error.reason() == SECOND_FACTOR_INVALID.reason() => {
                self.audit.note_failure(Kind::SecondFactorFailure, Some(user_id), device);
            }
            Err(_) => self.limits.take_back(&attempt).await,
        }
        outcome
    }
}
