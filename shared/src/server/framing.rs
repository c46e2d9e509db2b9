//! The frames of a request's body (gRPC over HTTP/2, `Length-Prefixed-Message`), checked as they pass. tonic answers INTERNAL
//! for those that are malformed; they are the client's mistake.

use tonic::Status;

use crate::error::Error;

/// A flag and a length.
const HEADER_BYTES: usize = 5;

/// How many messages a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    /// Exactly one.
    One,
    /// A stream of any number.
    Any,
}

/// Follows the frames of one body.
pub(super) struct Framing {
    cardinality: Cardinality,
    /// Whether `grpc-encoding` names a compression.
    has_encoding: bool,
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    /// Bytes that are missing of the message that arrives.
    missing: u64,
    messages: u64,
}

impl Framing {
    pub(super) fn new(cardinality: Cardinality, has_encoding: bool) -> Self {
        Self {
            cardinality,
            has_encoding,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            missing: 0,
            messages: 0,
        }
    }

    /// Follows the next bytes. Calls `begin` with the length of each message that begins in them.
    ///
    /// # Errors
    /// What is wrong with the frames, or the error of `begin`.
    pub(super) fn follow(
        &mut self,
        mut bytes: &[u8],
        mut begin: impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<(), Status> {
        while !bytes.is_empty() {
            if self.missing > 0 {
                let passed = bytes.len().min(usize::try_from(self.missing).unwrap_or(usize::MAX));
                self.missing -= passed as u64;
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            if self.cardinality == Cardinality::One && self.messages > 0 {
                return Err(one_message());
            }
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            if let Some(next) = self.header.get_mut(self.header_bytes) {
                *next = byte;
            }
            self.header_bytes += 1;
            if self.header_bytes == HEADER_BYTES {
                self.missing = self.message_length()?;
                self.header_bytes = 0;
                self.messages += 1;
                begin(self.missing)?;
            }
        }
        Ok(())
    }

    /// The end of the body.
    ///
    /// # Errors
    /// When it ends within a frame, or before the message that the method takes.
    pub(super) fn end(&self) -> Result<(), Status> {
        if self.missing > 0 || self.header_bytes > 0 {
            return Err(malformed("the body ends before its last frame does"));
        }
        if self.cardinality == Cardinality::One && self.messages == 0 {
            return Err(one_message());
        }
        Ok(())
    }

    fn message_length(&self) -> Result<u64, Status> {
        let [flag, length @ ..] = self.header;
        match flag {
            0 => {}
            1 if self.has_encoding => {}
            1 => return Err(malformed("a message is compressed, but `grpc-encoding` names no compression")),
            _ => return Err(malformed("the flag of a frame is neither 0 nor 1")),
        }
        Ok(u32::from_be_bytes(length).into())
    }
}

/// The error of a malformed frame.
pub(super) fn malformed(description: &str) -> Status {
    Error::invalid("", description).into()
}

/// Another number of messages than the method takes (gRPC's status codes, "request cardinality violation").
fn one_message() -> Status {
    Status::unimplemented("the method takes exactly one message")
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    /// Follows the bytes one by one and all at once; returns the lengths of the messages.
    fn follow(framing: impl Fn() -> Framing, bytes: &[u8]) -> Result<Vec<u64>, Code> {
        let outcomes = [1, bytes.len().max(1)].map(|size| {
            let (mut framing, mut lengths) = (framing(), Vec::new());
            for chunk in bytes.chunks(size) {
                framing.follow(chunk, |length| {
                    lengths.push(length);
                    Ok(())
                })?;
            }
            framing.end().map(|()| lengths)
        });
        let [one_by_one, at_once] = outcomes.map(|outcome| outcome.map_err(|status: Status| status.code()));
        assert_eq!(one_by_one, at_once);
        at_once
    }

    #[test]
    fn a_method_takes_as_many_messages_as_it_says() {
        let [none, one, two]: [&[u8]; 3] = [b"", b"\0\0\0\0\x02ab", b"\0\0\0\0\0\0\0\0\0\x01a"];
        let of = |cardinality, bytes| follow(|| Framing::new(cardinality, false), bytes);
        assert_eq!(of(Cardinality::One, one), Ok(vec![2]));
        assert_eq!(of(Cardinality::One, none), Err(Code::Unimplemented));
        assert_eq!(of(Cardinality::One, two), Err(Code::Unimplemented));
        assert_eq!(of(Cardinality::Any, none), Ok(vec![]));
        assert_eq!(of(Cardinality::Any, two), Ok(vec![0, 1]));
    }

    #[test]
    fn malformed_frames_are_the_clients_mistake() {
        for bytes in [b"\0".as_slice(), b"\0\0\0\0\x02a", b"\x07\0\0\0\x01a", b"\x01\0\0\0\x01a"] {
            let outcome = follow(|| Framing::new(Cardinality::Any, false), bytes);
            assert_eq!(outcome, Err(Code::InvalidArgument), "{bytes:?}");
        }
        assert_eq!(follow(|| Framing::new(Cardinality::Any, true), b"\x01\0\0\0\x01a"), Ok(vec![1]));
    }
}
