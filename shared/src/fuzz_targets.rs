//! What reads the bytes of others, each as a function of bytes that must not panic and whose laws it checks. Run by
//! `.ci/fuzz` and, in moments, by the tests.

use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;
use prost_types::{Duration, FieldMask, Struct, Timestamp};
use proto::common::StructPatch;
use serde_json::json;

use crate::access::{self, AT_LEAST_AS_FRESH};
use crate::authentication;
use crate::change_log::Cursor;
use crate::json::{from_struct, to_struct, to_timestamp};
use crate::page::{AfterRank, AfterTime, PageTokens};
use crate::service_identity::{self, PrincipalKeys};
use crate::validation::{Mask, Violations, normal_email};

pub use crate::server::fuzz_targets::{client_address, grpc_frames, grpc_timeout};

/// Page tokens: no bytes open as a token that was not sealed.
pub fn page_token(bytes: &[u8]) {
    let tokens = PageTokens::new(&"secret".into());
    let text = String::from_utf8_lossy(bytes);
    assert!(text.is_empty() || tokens.read::<AfterTime>("query", 1, &text).is_err());
    assert!(text.is_empty() || tokens.read::<AfterRank>("query", 1, &text).is_err());
}

/// Positions in feeds: what is read is written in the same way.
pub fn cursor(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse::<Cursor>().ok(), Some(cursor));
    }
}

/// Consistency tokens in a header.
pub fn consistency_tokens(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(HeaderName::from_static(AT_LEAST_AS_FRESH), value)]);
    let _refused = access::tokens_of(&headers);
}

/// The `authorization` header, and signatures in it: without keys, nobody is authenticated.
pub fn authorization(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _refused = authentication::Credentials::parse(&text);
    assert!(service_identity::verify(&PrincipalKeys::default(), &text, "/dafnck.task.v1/X").is_err());
}

/// Update masks and patches of JSON: a patch that is within the limits leaves an object within them.
pub fn masks_and_patches(bytes: &[u8]) {
    let (mask, patch) = halves(bytes);
    let mut v = Violations::new();
    let mask = FieldMask::decode(mask).ok();
    let patch = StructPatch::decode(patch).ok();
    let mut mask = Mask::of(&mut v, mask, &["title", "due_at", "metadata"]);
    let change = mask.pick_json(&mut v, "metadata", None, patch);
    if let (Ok(()), Some(change)) = (v.finish(), change)
        && let Ok(changed) =
            change.apply_within_limits("metadata", json!({"a": {"b": [1, {"c": null}]}, "d": 1}))
    {
        assert!(changed.is_object(), "{changed}");
        assert_eq!(from_struct(to_struct(&changed)), Some(changed));
    }
}

/// JSON objects: what is accepted comes back as it was stored.
pub fn json_objects(bytes: &[u8]) {
    let Ok(message) = Struct::decode(bytes) else { return };
    let mut v = Violations::new();
    let value = v.json("metadata", Some(message));
    if v.finish().is_ok() {
        assert_eq!(from_struct(to_struct(&value)).as_ref(), Some(&value));
        let text = value.to_string();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok().as_ref(), Some(&value), "{text}");
    }
}

/// Times and durations: what is accepted comes back to the microsecond.
pub fn times(bytes: &[u8]) {
    let (time, duration) = halves(bytes);
    let mut v = Violations::new();
    if let Ok(time) = Timestamp::decode(time)
        && let Some(read) = v.optional_time("time", Some(time))
    {
        let written = to_timestamp(read);
        assert_eq!((written.seconds, written.nanos), (time.seconds, time.nanos - time.nanos % 1_000));
    }
    if let Ok(duration) = Duration::decode(duration) {
        let range =
            proto::common::DurationRange { min_duration: Some(duration), max_duration: Some(duration) };
        let _range = v.duration_range("duration", Some(range));
    }
}

/// E-mail addresses: the one form of an address is its own, and one that can be put into a header.
pub fn email_address(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(email) = normal_email(&text) {
        assert_eq!(normal_email(&email).as_ref(), Some(&email));
        assert!(email.is_ascii() && !email.contains(|c: char| c.is_ascii_control() || c == ' '), "{email:?}");
    }
}

/// Two inputs of one: the first byte says where the second begins.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((&length, rest)) = bytes.split_first() else { return (&[], &[]) };
    rest.split_at(rest.len().min(length.into()))
}

#[cfg(test)]
#[path = "../../services/fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn foreign_bytes_are_read_or_refused() {
        replay("page_token", super::page_token);
        replay("cursor", super::cursor);
        replay("consistency_tokens", super::consistency_tokens);
        replay("authorization", super::authorization);
        replay("masks_and_patches", super::masks_and_patches);
        replay("json_objects", super::json_objects);
        replay("times", super::times);
        replay("email_address", super::email_address);
        replay("grpc_frames", super::grpc_frames);
        replay("grpc_timeout", super::grpc_timeout);
        replay("client_address", super::client_address);
    }
}
