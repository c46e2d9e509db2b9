//! The deadline of a call.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use tokio::time::Instant;

/// The header with the client's timeout (gRPC over HTTP/2, `Timeout`).
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// The deadline of a unary call that sends none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest deadline of a unary call.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest life of a streaming call, also its default. Readers of `Watch…` go on from their resume token.
pub const MAX_STREAM_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// This part of the client's timeout is reserved, so that the response arrives before the client (or tonic's own timer,
/// which does not know our errors) gives up.
const RESPONSE_TIME_DIVISOR: u32 = 8;
/// The longest reserved time.
const MAX_RESPONSE_TIME: Duration = Duration::from_millis(50);

/// The deadline of a call. It is passed on to the calls of siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub(super) Instant);

impl Deadline {
    /// The smaller of what the client asks for and the cap. A malformed header is no header.
    pub(super) fn of(headers: &HeaderMap, is_streaming: bool) -> Self {
        Self(Instant::now() + timeout_of(headers.get(GRPC_TIMEOUT), is_streaming))
    }

    /// How long the call that is being worked on may still take; `None` outside of calls.
    pub fn remaining_of_current_call() -> Option<Duration> {
        Context::map_current(|context| context.get::<Self>().copied())
            .map(|deadline| deadline.0.saturating_duration_since(Instant::now()))
    }

    /// The value of the header that asks for `timeout`.
    pub fn header(timeout: Duration) -> HeaderValue {
        // Eight digits at most; what is longer than that in milliseconds is capped at about 27 hours.
        let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).min(99_999_999);
        let text = format!("{milliseconds}m");
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0m"))
    }
}

fn timeout_of(header: Option<&HeaderValue>, is_streaming: bool) -> Duration {
    let (default, cap) =
        if is_streaming { (MAX_STREAM_TIMEOUT, MAX_STREAM_TIMEOUT) } else { (DEFAULT_TIMEOUT, MAX_TIMEOUT) };
    let asked = header.and_then(|value| value.to_str().ok()).and_then(parse);
    asked.map_or(default, |timeout| {
        (timeout - (timeout / RESPONSE_TIME_DIVISOR).min(MAX_RESPONSE_TIME)).min(cap)
    })
}

/// At most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let amount: u64 = if is_number { digits.parse().ok()? } else { return None };
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(text: &'static str, is_streaming: bool) -> Duration {
        timeout_of(Some(&HeaderValue::from_static(text)), is_streaming)
    }

    #[test]
    fn the_smaller_of_header_and_cap_counts() {
        assert_eq!(timeout("1S", false), Duration::from_millis(950));
        assert_eq!(timeout("200m", false), Duration::from_millis(175));
        assert_eq!(timeout("1H", false), MAX_TIMEOUT);
        assert_eq!(timeout("99999999H", true), MAX_STREAM_TIMEOUT);
        assert_eq!(timeout("3n", false), Duration::from_nanos(3));
        assert_eq!(timeout_of(None, false), DEFAULT_TIMEOUT);
        assert_eq!(timeout_of(None, true), MAX_STREAM_TIMEOUT);
    }

    #[test]
    fn every_unit_is_read() {
        let read = ["2H", "2M", "2S", "2m", "2u", "2n"].map(|text| parse(text).unwrap().as_nanos());
        assert_eq!(read, [7_200_000_000_000, 120_000_000_000, 2_000_000_000, 2_000_000, 2_000, 2]);
    }

    #[test]
    fn a_malformed_header_is_no_header() {
        for text in ["", "S", "1", "1x", "-1S", "+1S", "1.5S", "123456789S", "1 S"] {
            assert_eq!(timeout(text, false), DEFAULT_TIMEOUT, "{text}");
        }
        assert_eq!(parse("5é"), None);
    }

    #[test]
    fn a_written_header_is_read_back() {
        for milliseconds in [0, 1, 2000, 99_999_999] {
            let timeout = Duration::from_millis(milliseconds);
            assert_eq!(parse(Deadline::header(timeout).to_str().unwrap()), Some(timeout));
        }
    }
}
