//! The body of a response while it is being sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use futures::future::BoxFuture;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status};
use tracing::Span;

use super::codec_errors;
use super::metrics::Measurement;
use crate::error::Error;

/// The resources that a call holds until its last byte is sent.
pub(super) struct OpenCall {
    pub(super) measurement: Measurement,
    pub(super) span: Span,
    pub(super) context: opentelemetry::Context,
    /// Ends the response early, at the deadline or when the server stops; `None` for a unary call.
    pub(super) ending: Option<BoxFuture<'static, Error>>,
    /// The permit of the concurrency limit.
    pub(super) permit: Option<tokio::sync::OwnedSemaphorePermit>,
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
            None => answer.map(|inner| Body::new(TrackedBody { inner, open: Some(self) })),
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
        // A streaming handler does its work here, so its errors are logged under the call's trace here.
        let _attached = open.context.clone().attach();
        let _entered = open.span.clone().entered();
        if let Some(Poll::Ready(error)) = open.ending.as_mut().map(|ending| ending.as_mut().poll(task)) {
            return Poll::Ready(this.end_early(error).map(Ok));
        }
        let mut frame = std::task::ready!(Pin::new(&mut this.inner).poll_frame(task));
        match &mut frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    codec_errors::reword(trailers);
                    open.set_code_of(trailers);
                    this.open = None;
                }
            }
            Some(Err(_)) | None => {
                open.measurement.set_code(Code::Unknown);
                this.open = None;
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl TrackedBody {
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
