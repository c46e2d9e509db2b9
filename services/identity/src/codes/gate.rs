//! Limits on guessing codes.

use shared::error::{ErrorReason, Result};

use crate::audit::{Audit, Kind};
use crate::limits::{Attempt, Limits, Purpose};
use crate::sessions::Device;

/// Lets codes be looked at within limits, and notes wrong ones.
#[derive(Clone)]
pub struct CodeGate {
    limits: Limits,
    audit: Audit,
}

impl CodeGate {
    /// Within these limits; failures are told to the audit.
    pub fn new(limits: Limits, audit: Audit) -> Self {
        Self { limits, audit }
    }

    /// Runs what looks at a code from this device.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when there were too many wrong codes; those of the work.
    pub async fn guard<T>(&self, device: &Device, work: impl Future<Output = Result<T>>) -> Result<T> {
        let attempt = self.limits.admit(Attempt::new(Purpose::RedeemCode).from(device)).await?;
        let outcome = work.await;
        match &outcome {
            Ok(_) => self.limits.take_back(&attempt).await,
            Err(error) if error.reason() == ErrorReason::CodeInvalid => {
                self.audit.note_failure(Kind::CodeFailure, None, device);
            }
            Err(_) => {}
        }
        outcome
    }
}
