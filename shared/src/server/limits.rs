//! The limits of every server.

use std::time::Duration;

/// The largest message that a service takes or sends; what is larger is streamed.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// How long running calls may go on after the server was told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open streams may go on then; their readers go on elsewhere from where they were.
pub const DRAIN_STREAMS_AFTER: Duration = Duration::from_secs(3);
/// Calls in flight on one connection.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 256;
/// Bytes of headers of one call.
pub const MAX_HEADER_BYTES: u32 = 16 * 1024;
