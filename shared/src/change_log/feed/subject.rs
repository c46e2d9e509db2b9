//! The interface between a feed and the service whose resources are watched.

use std::time::Duration;

use crate::access::AccessTables;
use crate::change_log::Record;
use crate::error::Result;

/// How often a watcher gets a message, if only with a resume token.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// Most messages that wait for a reader.
pub const BUFFER_MESSAGES: usize = 4;
/// How long a reader may take no message while messages wait.
pub const SLOW_READER_TIMEOUT: Duration = Duration::from_secs(5);
/// Most events in a message.
pub const MAX_EVENTS: usize = 100;
/// A message ends with the event that makes it this large, in bytes.
pub const MESSAGE_BYTES: usize = 1024 * 1024;

/// What is watched, and for whom.
pub trait Subject: Send + Sync + 'static {
    /// An event on the wire.
    type Event: prost::Message;

    /// Where the service reads access from.
    const ACCESS_TABLES: AccessTables;

    /// Lets the caller go on watching. Must check access as it is now. An error ends the stream.
    fn admit(&self) -> impl Future<Output = Result<()>> + Send;

    /// Whether the service's copy of access may be trusted. While it may not, [`Self::admit`] is called before any event
    /// is sent.
    fn is_access_trusted(&self) -> bool {
        true
    }

    /// The event of a change; `None` if the caller may not see it or the filter leaves it out. An error ends the stream.
    fn to_event(&self, record: &Record) -> impl Future<Output = Result<Option<Self::Event>>> + Send;
}

/// One message to a watcher. Without events it is a heartbeat.
#[derive(Debug)]
pub struct WatchBatch<E> {
    /// The events, in order.
    pub events: Vec<E>,
    /// The position after these events.
    pub resume_token: String,
}
