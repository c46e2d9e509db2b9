//! Rewrites the errors of the codec: tonic reports INTERNAL for a message that does not decode: a message that does not decode is the client's mistake, but tonic
//! answers INTERNAL for it, and OUT_OF_RANGE for one that is too large.

use http::{HeaderMap, HeaderName};
use tonic::{Code, Status};
use tonic_types::FieldViolation;

use super::limits::MAX_MESSAGE_BYTES;
use crate::error::{Error, ErrorReason};

/// How prost's errors begin.
const MALFORMED: &str = "failed to decode Protobuf message";
/// What tonic's errors for large requests and answers contain.
const REQUEST_TOO_LARGE: &str = "decoded message length too large";
const ANSWER_TOO_LARGE: &str = "encoded message length too large";

const STATUS_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// Puts our status in the place of the codec's, if there is one.
pub(super) fn reword(headers: &mut HeaderMap) {
    let [status, ..] = &STATUS_HEADERS;
    let code = headers.get(status).map(|value| Code::from_bytes(value.as_bytes()));
    // Most calls succeed; a whole status would copy their headers.
    if !matches!(code, Some(Code::Internal | Code::OutOfRange)) {
        return;
    }
    let Some(error) = Status::from_header_map(headers).and_then(|status| explain(&status)) else { return };
    for name in STATUS_HEADERS {
        headers.remove(name);
    }
    // Our own texts are valid header values.
    let _always_fits = Status::from(error).add_header(headers);
}

fn explain(status: &Status) -> Option<Error> {
    match status.code() {
        Code::Internal if status.message().starts_with(MALFORMED) => {
            Some(Error::Invalid(vec![FieldViolation::new(
                "",
                "the message is malformed, or nested deeper than 100 levels",
            )]))
        }
        Code::OutOfRange if status.message().contains(REQUEST_TOO_LARGE) => {
            Some(request_too_large(MAX_MESSAGE_BYTES))
        }
        Code::OutOfRange if status.message().contains(ANSWER_TOO_LARGE) => {
            Some(too_large("ask for fewer items: the answer is", MAX_MESSAGE_BYTES))
        }
        _ => None,
    }
}

/// A message of a request that is larger than `limit` bytes.
pub(super) fn request_too_large(limit: usize) -> Error {
    too_large("the message is", limit)
}

fn too_large(what_is: &str, limit: usize) -> Error {
    Error::InvalidFor {
        reason: ErrorReason::TooLarge,
        message: format!("{what_is} larger than {limit} bytes"),
        metadata: vec![("limit_bytes", limit.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reworded(status: &Status) -> Code {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        reword(&mut headers);
        Status::from_header_map(&headers).unwrap().code()
    }

    #[test]
    fn only_the_codec_is_reworded() {
        let malformed = Status::internal(format!("{MALFORMED}: recursion limit reached"));
        assert_eq!(reworded(&malformed), Code::InvalidArgument);
        assert_eq!(reworded(&Status::out_of_range(REQUEST_TOO_LARGE)), Code::InvalidArgument);
        assert_eq!(reworded(&Status::out_of_range(ANSWER_TOO_LARGE)), Code::InvalidArgument);
        assert_eq!(reworded(&Status::internal("internal error")), Code::Internal);
        assert_eq!(reworded(&Error::CursorExpired.into()), Code::OutOfRange);
    }
}
