//! What a call needs before it is worked on: a place among the calls or streams of the process, of its address and of its
//! user.

use std::time::Duration;

use super::bytes_in_flight::BytesInFlight;
use super::request_failure::RequestFailure;
use super::shares::{Owner, Permit, Shares};
use crate::config::{LimitOptions, ShareLimits};
use crate::error::{Error, ErrorReason};

/// After which time to retry when the server is at its limit.
const OVERLOAD_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Which limit a call counts for.
#[derive(Clone, Copy)]
pub(super) enum CallKind {
    /// A unary call.
    Call,
    /// A stream, of the API or of the infrastructure.
    Stream,
    /// A question for the health of the server, which must be answered when the server is busy: it is limited per address
    /// alone.
    Probe,
}

/// What a call holds until the last byte of its answer is sent.
pub(super) struct CallResources {
    places: Vec<Permit>,
    pub(super) bytes: BytesInFlight,
    pub(super) failure: RequestFailure,
}

impl CallResources {
    pub(super) fn add(&mut self, place: Permit) {
        self.places.push(place);
    }
}

/// The limits on concurrent calls and on their bytes.
pub(super) struct Admission {
    calls: Shares,
    streams: Shares,
    probes: Shares,
    bytes: Shares,
}

impl Admission {
    pub(super) fn new(limits: &LimitOptions) -> Self {
        let requests = limits.requests();
        Self {
            calls: Shares::new(requests),
            streams: Shares::new(requests),
            probes: Shares::new(ShareLimits { total: u64::MAX, reserved: 0, ..requests }),
            bytes: Shares::new(limits.bytes()),
        }
    }

    /// A place, or a refusal at once: waiting would only add to the load.
    pub(super) fn take(&self, kind: CallKind, owner: Owner) -> Result<Permit, Error> {
        let places = match kind {
            CallKind::Call => &self.calls,
            CallKind::Stream => &self.streams,
            CallKind::Probe => &self.probes,
        };
        places.take(owner, 1).ok_or(overloaded(owner))
    }

    /// The resources of a call.
    pub(super) fn begin(&self, kind: CallKind, owner: Owner) -> Result<CallResources, Error> {
        let places = vec![self.take(kind, owner)?];
        let bytes = BytesInFlight::new(self.bytes.clone(), owner);
        Ok(CallResources { places, bytes, failure: RequestFailure::default() })
    }
}

/// The refusal of a call for want of a place.
pub(super) fn overloaded(owner: Owner) -> Error {
    let message = match owner {
        Owner::Caller(_) => "too many of your calls are running; try again later",
        Owner::Peer(_) | Owner::Proxy | Owner::Principal => "the server is at its limit; try again later",
    };
    Error::Exhausted { reason: ErrorReason::Overloaded, message, retry_after: OVERLOAD_RETRY_AFTER }
}
