//! The body of a streaming request while it arrives. When a client resets its stream, the codec would report the end of
//! the stream, and the handler would take the messages so far for all of them. Here it becomes an error.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tonic::Status;

/// Makes the reset of a body an error.
pub(super) fn fail_on_reset(body: Body) -> Body {
    Body::new(FailOnResetBody(body))
}

struct FailOnResetBody(Body);

impl HttpBody for FailOnResetBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.0).poll_frame(task));
        Poll::Ready(frame.map(|frame| frame.map_err(reset_error)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn reset_error(error: axum::Error) -> axum::Error {
    axum::Error::new(Status::unavailable(format!("the request broke off: {error}")))
}
