//! The client's side of an upload: a header, then chunks.

use std::time::Duration;

use prost::bytes::Bytes;
use shared::error::{Error, Result};
use tonic::{Code, Status, Streaming};

/// Bytes that an upload's message carries at most.
pub const MAX_CHUNK_BYTES: usize = 1024 * 1024;
/// How long an upload may be silent.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a message of an upload carries.
pub enum Part<H> {
    /// What is uploaded.
    Header(H),
    /// Some of its bytes.
    Chunk(Bytes),
}

/// A message of an upload.
pub trait UploadMessage: Send + 'static {
    /// What its header says.
    type Header: Send;

    /// What it carries; `None` if nothing.
    fn part(self) -> Option<Part<Self::Header>>;
}

/// The messages of an upload as they arrive.
pub struct Incoming<M>(Streaming<M>);

impl<M: UploadMessage> Incoming<M> {
    /// Reads from this stream.
    pub fn new(stream: Streaming<M>) -> Self {
        Self(stream)
    }

    /// The first message, which must be the header.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for anything else.
    pub async fn header(&mut self) -> Result<M::Header> {
        match self.part().await? {
            Some(Part::Header(header)) => Ok(header),
            Some(Part::Chunk(_)) | None => Err(Error::invalid("header", "must come first, before any bytes")),
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for anything but bytes, `DEADLINE_EXCEEDED` after [`IDLE_TIMEOUT`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match self.part().await? {
            None => Ok(None),
            Some(Part::Header(_)) => Err(Error::invalid("header", "must come only once")),
            Some(Part::Chunk(bytes)) if bytes.len() > MAX_CHUNK_BYTES => {
                Err(Error::invalid("chunk", "must not be larger than 1 MiB"))
            }
            Some(Part::Chunk(bytes)) => Ok(Some(bytes)),
        }
    }

    async fn part(&mut self) -> Result<Option<Part<M::Header>>> {
        let message = tokio::time::timeout(IDLE_TIMEOUT, self.0.message()).await;
        let Some(message) = message.map_err(|_| Error::DeadlineExceeded)?.map_err(broken)? else {
            return Ok(None);
        };
        message.part().map(Some).ok_or_else(|| Error::invalid("part", "must be a header or a chunk"))
    }
}

/// What breaks a stream: a message that is none, or a client who has gone and hears no answer.
fn broken(status: Status) -> Error {
    match status.code() {
        Code::Internal | Code::OutOfRange | Code::InvalidArgument => {
            Error::invalid("part", "must be a message of at most 4 MiB")
        }
        _ => Error::unavailable("client", status),
    }
}
