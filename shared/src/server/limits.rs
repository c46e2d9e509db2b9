//! The limits of every server.

use std::time::Duration;

use super::deadline::MAX_STREAM_TIMEOUT;

/// The largest message that a server takes or sends; larger content is streamed.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// The largest question for health and reflection.
pub const MAX_INFRASTRUCTURE_MESSAGE_BYTES: usize = 64 * 1024;
/// How long running calls may go on after shutdown begins.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open streams may go on then; their readers resume at another replica.
pub const DRAIN_STREAMS_AFTER: Duration = Duration::from_secs(3);
/// Concurrent calls on one connection.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 128;
/// Bytes that a client may send of one call before they are processed (HTTP/2 flow control).
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes that it may send on one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 512 * 1024;
/// Bytes of one answer that the transport takes before the client has taken them.
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of the headers of one call.
pub const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// How long a connection may live on after its age has been reached: as long as a stream that began just before. Then
/// it is closed, also if the client does not read.
pub const CONNECTION_AGE_GRACE: Duration = MAX_STREAM_TIMEOUT.saturating_add(DRAIN_TIMEOUT);
/// Streams of one connection that the client has reset and that are not processed yet; more close the connection
/// (rapid reset, CVE-2023-44487).
pub const MAX_PENDING_RESET_STREAMS: usize = 20;
/// Streams of one connection that the server resets for protocol errors; more close the connection (CVE-2025-8671).
pub const MAX_ERROR_RESET_STREAMS: usize = 256;
