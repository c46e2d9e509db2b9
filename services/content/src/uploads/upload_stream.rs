//! The messages of an upload: a header, then chunks.

use prost::bytes::Bytes;
use shared::error::{Error, Result};
use shared::server::BytesInFlight;
use tonic::{Code, Request, Status, Streaming};

/// Most bytes in one message.
pub const MAX_CHUNK_BYTES: usize = 1024 * 1024;

pub enum Part<H> {
    Header(H),
    Chunk(Bytes),
}

pub trait UploadMessage: Send + 'static {
    type Header: Send;

    /// The content of the message; `None` if it has none.
    fn part(self) -> Option<Part<Self::Header>>;
}

pub struct UploadStream<M> {
    messages: Streaming<M>,
    /// What the call may hold in memory.
    budget: BytesInFlight,
}

impl<M: UploadMessage> UploadStream<M> {
    pub fn new(request: Request<Streaming<M>>) -> Result<Self> {
        let budget = BytesInFlight::of(&request)?;
        Ok(Self { messages: request.into_inner(), budget })
    }

    /// The budget for the bytes that are read from the stream.
    pub fn budget(&self) -> &BytesInFlight {
        &self.budget
    }

    /// Reads the first message, which must be the header.
    pub async fn header(&mut self) -> Result<M::Header> {
        match self.part().await? {
            Some(Part::Header(header)) => Ok(header),
            Some(Part::Chunk(_)) | None => Err(Error::invalid("header", "must come first, before any bytes")),
        }
    }

    /// Reads the next chunk; `None` at the end.
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
        let Some(message) = self.messages.message().await.map_err(stream_error)? else { return Ok(None) };
        message.part().map(Some).ok_or_else(|| Error::invalid("part", "must be a header or a chunk"))
    }
}

/// A message that cannot be read, or a client that has gone.
fn stream_error(status: Status) -> Error {
    match status.code() {
        Code::Internal | Code::OutOfRange | Code::InvalidArgument => {
            Error::invalid("part", "must be a message of at most 4 MiB")
        }
        _ => Error::unavailable("client", status),
    }
}
