//! Limits on the work that a service takes on, and on what one caller or one address may take of it.

use std::time::Duration;

use clap::{Args, value_parser};

/// Unary calls that a service works on at the same time.
pub const DEFAULT_MAX_CONCURRENT_REQUESTS: u32 = 1024;
/// Seconds in which the body of a unary call must arrive.
pub const DEFAULT_REQUEST_BODY_SECONDS: u32 = 10;
/// Seconds without progress after which a stream, or an answer that is not read, ends.
pub const DEFAULT_STALL_SECONDS: u32 = 30;
/// Bytes of requests, answers and uploads that a service holds in memory.
pub const DEFAULT_MAX_BYTES_IN_FLIGHT: u64 = 256 * 1024 * 1024;
/// The least of them: the part of one address must have room for a message or a part of an upload.
const MIN_BYTES_IN_FLIGHT: u64 = 64 * 1024 * 1024;
/// Connections of a service.
pub const DEFAULT_MAX_CONNECTIONS: u32 = 4096;
/// Connections of one address.
pub const DEFAULT_MAX_CONNECTIONS_PER_PEER: u32 = 256;
/// Seconds in which a new connection must make its first call.
pub const DEFAULT_FIRST_REQUEST_SECONDS: u32 = 10;
/// Calls per second that one caller may make in the long run.
pub const DEFAULT_REQUESTS_PER_SECOND: u32 = 500;
/// Calls that one caller may make at once.
pub const DEFAULT_REQUEST_BURST: u32 = 1000;
/// Unknown tokens per second that are looked up for one address.
pub const DEFAULT_AUTHENTICATION_FAILURES_PER_SECOND: u32 = 20;
/// Seconds after which a connection is replaced.
pub const DEFAULT_CONNECTION_AGE_SECONDS: u32 = 300;

/// The part of a limit that one address may take: a quarter.
const PEER_DIVISOR: u64 = 4;
/// The part that one user may take, and the part that is reserved for services and operators: an eighth.
const CALLER_DIVISOR: u64 = 8;

/// Limits on the work that a service takes on.
#[derive(Args, Clone, Debug)]
pub struct LimitOptions {
    /// Unary calls that are worked on at the same time, and as many open streams beside them;
    /// more are refused with RESOURCE_EXHAUSTED. An eighth is reserved for services and operators
    #[arg(long, env = "DAFNCK_MAX_CONCURRENT_REQUESTS", default_value_t = DEFAULT_MAX_CONCURRENT_REQUESTS,
          value_parser = value_parser!(u32).range(1..))]
    pub max_concurrent_requests: u32,
    /// Unary calls of one address at the same time, and as many open streams beside them.
    /// Default: a quarter of `--max-concurrent-requests`
    #[arg(long, env = "DAFNCK_MAX_REQUESTS_PER_PEER", value_parser = value_parser!(u32).range(1..))]
    pub max_requests_per_peer: Option<u32>,
    /// Unary calls of one user at the same time, and as many open streams beside them.
    /// Default: an eighth of `--max-concurrent-requests`
    #[arg(long, env = "DAFNCK_MAX_REQUESTS_PER_CALLER", value_parser = value_parser!(u32).range(1..))]
    pub max_requests_per_caller: Option<u32>,
    /// Bytes of requests, of answers that are not read yet and of uploads that are in memory at the same time; more are
    /// refused with RESOURCE_EXHAUSTED. A quarter for one address, an eighth is reserved for services and operators. At
    /// least 64 MiB
    #[arg(long, env = "DAFNCK_MAX_BYTES_IN_FLIGHT", default_value_t = DEFAULT_MAX_BYTES_IN_FLIGHT,
          value_parser = value_parser!(u64).range(MIN_BYTES_IN_FLIGHT..))]
    pub max_bytes_in_flight: u64,
    /// Seconds in which the whole request of a call that takes one message must arrive
    #[arg(long, env = "DAFNCK_REQUEST_BODY_SECONDS", default_value_t = DEFAULT_REQUEST_BODY_SECONDS,
          value_parser = value_parser!(u32).range(1..))]
    pub request_body_seconds: u32,
    /// Seconds after which a call ends whose client sends less than 1 KiB of its stream, or takes nothing of the answer
    #[arg(long, env = "DAFNCK_STALL_SECONDS", default_value_t = DEFAULT_STALL_SECONDS,
          value_parser = value_parser!(u32).range(1..))]
    pub stall_seconds: u32,
    /// Connections at the same time; more are closed at once. Never more than the limit of open files leaves. An eighth is
    /// reserved for services and operators
    #[arg(long, env = "DAFNCK_MAX_CONNECTIONS", default_value_t = DEFAULT_MAX_CONNECTIONS,
          value_parser = value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Connections of one address at the same time; does not count for `--trusted-proxies`, and services and operators
    /// have more
    #[arg(long, env = "DAFNCK_MAX_CONNECTIONS_PER_PEER", default_value_t = DEFAULT_MAX_CONNECTIONS_PER_PEER,
          value_parser = value_parser!(u32).range(1..))]
    pub max_connections_per_peer: u32,
    /// Seconds after which a new connection without a call is closed
    #[arg(long, env = "DAFNCK_FIRST_REQUEST_SECONDS", default_value_t = DEFAULT_FIRST_REQUEST_SECONDS,
          value_parser = value_parser!(u32).range(1..))]
    pub first_request_seconds: u32,
    /// Calls per second that one user, or one address without a session, may make in the long run
    #[arg(long, env = "DAFNCK_REQUESTS_PER_SECOND", default_value_t = DEFAULT_REQUESTS_PER_SECOND,
          value_parser = value_parser!(u32).range(1..))]
    pub requests_per_second: u32,
    /// Calls that one user, or one address without a session, may make at once
    #[arg(long, env = "DAFNCK_REQUEST_BURST", default_value_t = DEFAULT_REQUEST_BURST,
          value_parser = value_parser!(u32).range(1..))]
    pub request_burst: u32,
    /// Unknown session or API tokens per second that are looked up for one address, five times as many at once; then
    /// tokens of that address that are not cached are refused with RESOURCE_EXHAUSTED
    #[arg(long, env = "DAFNCK_AUTHENTICATION_FAILURES_PER_SECOND",
          default_value_t = DEFAULT_AUTHENTICATION_FAILURES_PER_SECOND, value_parser = value_parser!(u32).range(1..))]
    pub authentication_failures_per_second: u32,
    /// Seconds after which a connection is closed once its calls have ended, so that clients connect again and find
    /// replicas that were added meanwhile
    #[arg(long, env = "DAFNCK_CONNECTION_AGE_SECONDS", default_value_t = DEFAULT_CONNECTION_AGE_SECONDS,
          value_parser = value_parser!(u32).range(1..))]
    pub connection_age_seconds: u32,
}

/// How a limit is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLimits {
    /// All together.
    pub total: u64,
    /// The part of it that is only for services and operators.
    pub reserved: u64,
    /// One address.
    pub per_peer: u64,
    /// One user.
    pub per_caller: u64,
}

impl ShareLimits {
    pub(crate) fn of(total: u64) -> Self {
        let part = |divisor: u64| (total / divisor).max(1);
        let (per_peer, per_caller) = (part(PEER_DIVISOR), part(CALLER_DIVISOR));
        Self { total, reserved: total / CALLER_DIVISOR, per_peer, per_caller }
    }
}

impl LimitOptions {
    /// Of unary calls, and of streams.
    pub fn requests(&self) -> ShareLimits {
        let defaults = ShareLimits::of(self.max_concurrent_requests.into());
        ShareLimits {
            per_peer: self.max_requests_per_peer.map_or(defaults.per_peer, u64::from),
            per_caller: self.max_requests_per_caller.map_or(defaults.per_caller, u64::from),
            ..defaults
        }
    }

    /// Of bytes in flight.
    pub fn bytes(&self) -> ShareLimits {
        ShareLimits::of(self.max_bytes_in_flight)
    }

    /// In which time a request of one message must arrive.
    pub fn request_body_timeout(&self) -> Duration {
        Duration::from_secs(self.request_body_seconds.into())
    }

    /// After which time without progress a stream ends.
    pub fn stall_timeout(&self) -> Duration {
        Duration::from_secs(self.stall_seconds.into())
    }

    /// In which time a connection must make its first call.
    pub fn first_request_timeout(&self) -> Duration {
        Duration::from_secs(self.first_request_seconds.into())
    }

    /// After which time a connection is replaced.
    pub fn connection_age(&self) -> Duration {
        Duration::from_secs(self.connection_age_seconds.into())
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            max_concurrent_requests: DEFAULT_MAX_CONCURRENT_REQUESTS,
            max_requests_per_peer: None,
            max_requests_per_caller: None,
            max_bytes_in_flight: DEFAULT_MAX_BYTES_IN_FLIGHT,
            request_body_seconds: DEFAULT_REQUEST_BODY_SECONDS,
            stall_seconds: DEFAULT_STALL_SECONDS,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_connections_per_peer: DEFAULT_MAX_CONNECTIONS_PER_PEER,
            first_request_seconds: DEFAULT_FIRST_REQUEST_SECONDS,
            requests_per_second: DEFAULT_REQUESTS_PER_SECOND,
            request_burst: DEFAULT_REQUEST_BURST,
            authentication_failures_per_second: DEFAULT_AUTHENTICATION_FAILURES_PER_SECOND,
            connection_age_seconds: DEFAULT_CONNECTION_AGE_SECONDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_limit_unless_they_are_set() {
        let limits = LimitOptions { max_concurrent_requests: 64, ..LimitOptions::default() };
        assert_eq!(limits.requests(), ShareLimits { total: 64, reserved: 8, per_peer: 16, per_caller: 8 });
        let limits = LimitOptions { max_requests_per_peer: Some(3), max_concurrent_requests: 1, ..limits };
        assert_eq!(limits.requests(), ShareLimits { total: 1, reserved: 0, per_peer: 3, per_caller: 1 });
    }
}
