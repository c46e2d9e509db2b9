//! Calls made by hand, with bodies that no generated client sends.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc::UnboundedSender;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::Service as _;

use super::summary;

/// A method that is open to anyone, and its request without fields.
pub(super) const OPEN_METHOD: &str = "/dafnck.common.v1.ServerInfoService/GetServerInfo";
pub(super) const EMPTY_MESSAGE: &[u8] = &[0; 5];
/// A stream that is open to anyone.
pub(super) const OPEN_STREAM: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// The bytes of a frame with this flag, announced length and message.
pub(super) fn frame(flag: u8, length: u32, message: &[u8]) -> Vec<u8> {
    [&[flag], length.to_be_bytes().as_slice(), message].concat()
}

pub(super) fn request(path: &str) -> http::request::Builder {
    Request::post(format!("http://dafnck{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// Sends a request; returns as soon as the head of the answer is there.
pub(super) async fn send(mut channel: Channel, request: Request<Body>) -> Result<Response<Body>, Status> {
    std::future::poll_fn(|task| channel.poll_ready(task)).await.unwrap();
    channel.call(request).await.map_err(|error| Status::from_error(error.into()))
}

/// The status at the end of an answer.
pub(super) async fn status_of(answer: Result<Response<Body>, Status>) -> Status {
    let (head, body) = match answer {
        Ok(answer) => answer.into_parts(),
        Err(status) => return status,
    };
    if let Some(status) = Status::from_header_map(&head.headers) {
        return status;
    }
    match body.collect().await {
        Ok(body) => of_trailers(body.trailers()),
        Err(broken) => broken,
    }
}

fn of_trailers(trailers: Option<&HeaderMap>) -> Status {
    trailers.and_then(Status::from_header_map).unwrap_or_else(|| Status::new(Code::DataLoss, "no status"))
}

/// Calls with a whole body, and returns the code and reason of the answer.
pub(super) async fn outcome(channel: Channel, path: &str, body: Vec<u8>) -> String {
    summary(&status_of(send(channel, request(path).body(whole(body)).unwrap()).await).await)
}

pub(super) fn whole(body: Vec<u8>) -> Body {
    Body::new(http_body_util::Full::new(Bytes::from(body)))
}

/// A body that is sent bit by bit, and ends when the sender is dropped.
pub(super) fn by_hand() -> (UnboundedSender<Bytes>, Body) {
    use tokio_stream::StreamExt as _;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let frames = UnboundedReceiverStream::new(receiver).map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    (sender, Body::new(StreamBody::new(frames)))
}
