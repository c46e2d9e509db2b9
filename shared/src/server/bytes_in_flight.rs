//! The bytes that calls hold in memory: requests, answers that are not read yet, and uploads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::shares::{Owner, Permit, Shares};
use crate::error::{Error, ErrorReason, Result};

/// Smaller messages are not counted: the limit on concurrent calls bounds them.
const MIN_COUNTED_BYTES: u64 = 4 * 1024;
/// After which time to retry what was refused for want of memory.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The budget of one call, in its request's extensions.
#[derive(Clone)]
pub struct BytesInFlight(Arc<Call>);

struct Call {
    shares: Shares,
    owner: Owner,
    /// The message that arrives, or that the handler works on.
    request: Mutex<Option<Permit>>,
}

/// Bytes that count until they are dropped.
#[derive(Default)]
pub struct HeldBytes(Option<Permit>);

impl BytesInFlight {
    pub(super) fn new(shares: Shares, owner: Owner) -> Self {
        Self(Arc::new(Call { shares, owner, request: Mutex::new(None) }))
    }

    /// The budget of the call of a request.
    ///
    /// # Errors
    /// When the server stack was not passed.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self> {
        let budget = request.extensions().get::<Self>().cloned();
        budget.ok_or_else(|| Error::internal("the call has no budget of bytes"))
    }

    /// Counts bytes that are about to be held.
    ///
    /// # Errors
    /// `OVERLOADED` when the process or the peer already holds too many.
    pub fn hold(&self, bytes: u64) -> Result<HeldBytes> {
        if bytes <= MIN_COUNTED_BYTES {
            return Ok(HeldBytes(None));
        }
        self.0.shares.take(self.0.owner, bytes).map(|share| HeldBytes(Some(share))).ok_or(TOO_MANY_BYTES)
    }

    /// Counts so many bytes in place of those that are held, which stay held if that is refused.
    ///
    /// # Errors
    /// As [`Self::hold`].
    pub fn resize(&self, held: &mut HeldBytes, bytes: u64) -> Result<()> {
        match &mut held.0 {
            Some(share) => share.resize(bytes).then_some(()).ok_or(TOO_MANY_BYTES),
            None => {
                *held = self.hold(bytes)?;
                Ok(())
            }
        }
    }

    /// Counts the message that begins to arrive, in place of the one before, until the call ends.
    pub(super) fn begin_message(&self, bytes: u64) -> Result<()> {
        let mut request = self.0.request.lock().unwrap_or_else(PoisonError::into_inner);
        *request = None;
        *request = self.hold(bytes)?.0;
        Ok(())
    }
}

/// The refusal of more bytes.
const TOO_MANY_BYTES: Error = Error::Exhausted {
    reason: ErrorReason::Overloaded,
    message: "too many bytes are in flight; try again later",
    retry_after: RETRY_AFTER,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ShareLimits;

    #[test]
    fn messages_replace_each_other_and_small_ones_are_free() {
        let limits = ShareLimits { total: 100_000, reserved: 0, per_peer: 100_000, per_caller: 0 };
        let shares = Shares::new(limits);
        let call = BytesInFlight::new(shares.clone(), Owner::Principal);
        call.begin_message(90_000).unwrap();
        call.begin_message(80_000).unwrap();
        assert!(call.hold(20_001).is_err());
        let held: Vec<_> = (0..100).map(|_| call.hold(4_096).unwrap()).collect();
        let mut growing = HeldBytes::default();
        call.resize(&mut growing, 20_000).unwrap();
        assert!(call.resize(&mut growing, 20_001).is_err());
        call.resize(&mut growing, 1).unwrap();
        assert!(call.hold(19_999).is_ok());
        drop((call, held, growing));
        assert!(shares.take(Owner::Principal, 100_000).is_some());
    }
}
