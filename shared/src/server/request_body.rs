//! The body of a request while it arrives: its frames are checked, its messages count as bytes in flight, and a client
//! that does not send it in time is given up. A reset becomes an error: the codec would take it for the end of the stream,
//! and the handler would take the messages so far for all of them.

use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures::FutureExt as _;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};

use super::admission::CallResources;
use super::bytes_in_flight::BytesInFlight;
use super::codec_errors;
use super::framing::{self, Cardinality, Framing};
use super::request_failure::RequestFailure;
use crate::config::LimitOptions;
use crate::error::Error;

/// What a client must send of a stream in each interval, so that single bytes do not keep it open.
const MIN_STREAM_BYTES: usize = 1024;

/// A request's body under its limits.
pub(super) struct RequestBody {
    inner: Body,
    framing: Framing,
    bytes: BytesInFlight,
    failure: RequestFailure,
    /// How long may pass until the request has arrived, or the next bytes of a stream.
    timeout: Duration,
    /// Rings at the end of that time, which begins when the client is first waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Bytes since the time began.
    received: usize,
    limits: MessageLimits,
    is_over: bool,
}

/// What a method takes.
#[derive(Clone, Copy)]
pub(super) struct MessageLimits {
    pub(super) cardinality: Cardinality,
    pub(super) max_message_bytes: usize,
}

impl RequestBody {
    pub(super) fn new(
        inner: Body,
        headers: &HeaderMap,
        limits: MessageLimits,
        resources: &CallResources,
        options: &LimitOptions,
    ) -> Self {
        let has_encoding = headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity");
        let timeout = match limits.cardinality {
            Cardinality::One => options.request_body_timeout(),
            Cardinality::Any => options.stall_timeout(),
        };
        let framing = Framing::new(limits.cardinality, has_encoding);
        let (bytes, failure) = (resources.bytes.clone(), resources.failure.clone());
        Self { inner, framing, bytes, failure, timeout, alarm: None, received: 0, limits, is_over: false }
    }

    fn check(&mut self, frame: Option<&Frame<Bytes>>) -> Result<(), Status> {
        let Some(data) = frame.and_then(Frame::data_ref) else { return self.framing.end() };
        self.received = self.received.saturating_add(data.len());
        if self.limits.cardinality == Cardinality::Any && self.received >= MIN_STREAM_BYTES {
            self.alarm = None;
        }
        self.framing.follow(data, |length| {
            // The codec looks at this too, but not all handlers report what it says.
            if length > self.limits.max_message_bytes as u64 {
                return Err(codec_errors::request_too_large(self.limits.max_message_bytes));
            }
            self.bytes.begin_message(length)
        })
    }

    /// Waits for the client no longer than allowed.
    fn poll_timeout(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| {
            self.received = 0;
            Box::pin(tokio::time::sleep_until(Instant::now() + self.timeout))
        });
        alarm.poll_unpin(task)
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let outcome = match Pin::new(&mut this.inner).poll_frame(task) {
            Poll::Ready(Some(Err(error))) => Err(broken_off(error)),
            Poll::Ready(Some(Ok(frame))) => this.check(Some(&frame)).map(|()| Some(frame)),
            Poll::Ready(None) => this.check(None).map(|()| None),
            Poll::Pending => {
                std::task::ready!(this.poll_timeout(task));
                Err(Error::DeadlineExceeded.into())
            }
        };
        this.is_over = !matches!(&outcome, Ok(Some(frame)) if frame.is_data());
        if let Err(status) = &outcome {
            // Only the first: the body is over after it.
            this.failure.set(status.clone());
        }
        Poll::Ready(outcome.map_err(axum::Error::new).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What the layer of gRPC-Web cannot read is its client's mistake: it answers INTERNAL with no cause. Other bodies only
/// break off, and have one.
fn broken_off(error: axum::Error) -> Status {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Status>());
    if cause.is_some_and(|status| status.code() == Code::Internal && status.source().is_none()) {
        return framing::malformed("the body is not well-formed gRPC-Web");
    }
    Status::unavailable(format!("the request broke off: {error}"))
}
