//! The body of a response while it is being sent.
//!
//! A large frame is sent in pieces, and its last bytes alone: the transport takes a piece only when the client has room
//! for some of it and the piece before has gone into that room. So an answer that is not read still is here, where its bytes
//! count and its deadline holds.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures::future::BoxFuture;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::Span;

use super::admission::CallResources;
use super::bytes_in_flight::HeldBytes;
use super::codec_errors;
use super::metrics::Measurement;
use super::task_deadline::TaskDeadline;
use crate::error::Error;

/// Largest piece of a frame. Pieces are multiples of 3 bytes, so that gRPC-Web's base64 has no padding between them.
const PIECE_BYTES: usize = 3 * 20 * 1024;
/// Smaller frames are sent in one piece.
const MIN_SPLIT_BYTES: usize = 1024;
/// How long after its deadline a call may take to send that it has passed.
const DEADLINE_GRACE: Duration = Duration::from_secs(1);

/// The resources that a call holds until its last byte is sent.
pub(super) struct OpenCall {
    pub(super) measurement: Measurement,
    pub(super) span: Span,
    pub(super) context: opentelemetry::Context,
    /// Ends the response early, at the deadline or when the server stops; `None` for a unary call.
    pub(super) ending: Option<BoxFuture<'static, Error>>,
    /// `None` for a call that was refused.
    pub(super) resources: Option<CallResources>,
    pub(super) timing: ReadDeadline,
}

/// Until when the answer of a call must have been read.
pub(super) struct ReadDeadline {
    life: Option<Arc<TaskDeadline>>,
    deadline: Instant,
    stall_timeout: Duration,
}

impl ReadDeadline {
    /// Of the call whose task this is called in.
    pub(super) fn new(deadline: Instant, stall_timeout: Duration) -> Self {
        let timing = Self { life: TaskDeadline::current(), deadline, stall_timeout };
        timing.note_progress();
        timing
    }

    /// The client has read what there was.
    fn note_progress(&self) {
        if let Some(life) = &self.life {
            life.end_at(self.deadline + DEADLINE_GRACE);
        }
    }

    /// The client has something to read.
    fn note_piece(&self) {
        if let Some(life) = &self.life {
            life.end_at((self.deadline + DEADLINE_GRACE).min(Instant::now() + self.stall_timeout));
        }
    }

    fn has_ended(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.has_ended())
    }
}

impl Drop for ReadDeadline {
    fn drop(&mut self) {
        if let Some(life) = &self.life {
            life.clear_deadline();
        }
    }
}

impl OpenCall {
    /// Tracks the response to its end. A response with its status in the headers has no body to track.
    pub(super) fn track(mut self, mut answer: Response<Body>) -> Response<Body> {
        codec_errors::reword(answer.headers_mut());
        match Status::from_header_map(answer.headers()) {
            Some(status) => {
                self.measurement.set_code(status.code());
                answer
            }
            None => answer.map(|inner| {
                Body::new(TrackedBody {
                    inner,
                    open: Some(self),
                    pieces: Bytes::new(),
                    held: HeldBytes::default(),
                })
            }),
        }
    }

    /// An answer to a request that could not be read is no success, whatever the handler says.
    fn report_failure(&self, trailers: &mut HeaderMap) {
        let failure = self.resources.as_ref().and_then(|resources| resources.failure.get());
        let is_success = Status::from_header_map(trailers).is_some_and(|status| status.code() == Code::Ok);
        if let Some(failure) = failure.filter(|_| is_success) {
            trailers.clear();
            // Our own texts are valid header values.
            let _always_fits = failure.add_header(trailers);
            codec_errors::reword(trailers);
        }
    }

    fn set_code_of(&mut self, trailers: &HeaderMap) {
        self.measurement
            .set_code(Status::from_header_map(trailers).map_or(Code::Unknown, |status| status.code()));
    }
}

struct TrackedBody {
    inner: Body,
    /// `None` after the last frame.
    open: Option<OpenCall>,
    /// What is left to send of the last frame.
    pieces: Bytes,
    held: HeldBytes,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(open) = &mut this.open else { return Poll::Ready(None) };
        open.timing.note_progress();
        if !this.pieces.is_empty() {
            return Poll::Ready(this.next_piece());
        }
        this.held = HeldBytes::default();
        // A streaming handler does its work here, so its errors are logged under the call's trace here.
        let _attached = open.context.clone().attach();
        let _entered = open.span.clone().entered();
        if let Some(Poll::Ready(error)) = open.ending.as_mut().map(|ending| ending.as_mut().poll(task)) {
            return Poll::Ready(this.end_early(error).map(Ok));
        }
        Poll::Ready(match std::task::ready!(Pin::new(&mut this.inner).poll_frame(task)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => this.send(data),
                Err(frame) => Some(Ok(this.end(frame))),
            },
            broken => {
                open.measurement.set_code(Code::Unknown);
                this.open = None;
                broken
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl TrackedBody {
    /// Sends a frame, if its bytes may be held until the client has read them.
    fn send(&mut self, data: Bytes) -> Option<Result<Frame<Bytes>, axum::Error>> {
        let resources = self.open.as_ref().and_then(|open| open.resources.as_ref());
        match resources.map(|resources| resources.bytes.hold(data.len() as u64)).transpose() {
            Ok(held) => {
                self.held = held.unwrap_or_default();
                self.pieces = data;
                self.next_piece()
            }
            Err(error) => self.end_early(error).map(Ok),
        }
    }

    fn next_piece(&mut self) -> Option<Result<Frame<Bytes>, axum::Error>> {
        if let Some(open) = &self.open {
            open.timing.note_piece();
        }
        let size = piece_size(self.pieces.len());
        Some(Ok(Frame::data(self.pieces.split_to(size))))
    }

    /// The trailers that end the response.
    fn end(&mut self, mut frame: Frame<Bytes>) -> Frame<Bytes> {
        if let (Some(trailers), Some(mut open)) = (frame.trailers_mut(), self.open.take()) {
            codec_errors::reword(trailers);
            open.report_failure(trailers);
            open.set_code_of(trailers);
        }
        frame
    }

    /// The trailers that end the stream with `error`.
    fn end_early(&mut self, error: Error) -> Option<Frame<Bytes>> {
        let status = Status::from(error);
        let mut open = self.open.take()?;
        open.measurement.set_code(status.code());
        let mut trailers = HeaderMap::new();
        // Only text that is no header value can fail here; the client then sees a stream without a status.
        status.add_header(&mut trailers).ok()?;
        Some(Frame::trailers(trailers))
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        // Not cancelled by the client, but given up since it does not read.
        if let Some(open) = self.open.as_mut().filter(|open| open.timing.has_ended()) {
            open.measurement.set_code(Code::DeadlineExceeded);
        }
    }
}

/// How much of the bytes that are left goes next: the last 1 to 3 bytes go alone.
fn piece_size(left: usize) -> usize {
    match left {
        0..=3 => left,
        _ if left <= MIN_SPLIT_BYTES => left,
        _ if left > PIECE_BYTES => PIECE_BYTES,
        _ => (left - 1) / 3 * 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut left: usize) -> Vec<usize> {
        let mut pieces = Vec::new();
        while left > 0 {
            let size = piece_size(left);
            pieces.push(size);
            left -= size;
        }
        pieces
    }

    #[test]
    fn the_last_bytes_of_a_large_frame_go_alone() {
        assert_eq!(pieces(1_024), [1_024]);
        assert_eq!(pieces(1_025), [1_023, 2]);
        assert_eq!(pieces(PIECE_BYTES), [PIECE_BYTES - 3, 3]);
        assert_eq!(pieces(PIECE_BYTES + 1), [PIECE_BYTES, 1]);
        assert!(pieces(1_000_000).iter().rev().skip(1).all(|size| size % 3 == 0));
        // Few bytes are left behind a whole piece: they go as they are.
        assert_eq!(pieces(PIECE_BYTES + 600), [PIECE_BYTES, 600]);
    }
}
