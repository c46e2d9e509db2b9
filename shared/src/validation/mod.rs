//! Checks of requests that collect *all* violations before they refuse (google.rpc.BadRequest).
//!
//! Each check returns the value it made of a field, or a placeholder after noting a violation, so that the
//! checks of a message stand one below the other; [`Violations::finish`] then refuses or lets pass.

mod characters;
mod email;
mod mask;
mod project_key;
mod time;

pub use characters::is_visible;
pub use email::{MAX_EMAIL_CHARS, ascii_domain, normal_email, normal_email_prefix, unicode_domain};
pub use mask::{Mask, Populated};
pub use project_key::{MAX_PROJECT_KEY_CHARS, is_project_key};
pub use time::{DurationRange, TimeRange};

use std::collections::HashSet;

use icu_normalizer::ComposingNormalizerBorrowed;
use prost_types::Struct;
use serde_json::Value;
use tonic_types::FieldViolation;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Largest JSON value, in bytes of its text.
pub const MAX_JSON_BYTES: usize = 64 * 1024;
/// Deepest nesting of a JSON value. A level of objects is three levels of messages (`Struct`, its entry, `Value`), and
/// decoders stop at 100; so the deepest value can still be part of an answer that adds ten levels.
pub const MAX_JSON_DEPTH: usize = 30;
/// Longest free text, in characters.
pub const MAX_TEXT_CHARS: usize = 100_000;
/// Most items in a batch or a list of a request.
pub const MAX_BATCH: usize = 1_000;
/// Most tags on a resource.
pub const MAX_TAGS: usize = 50;
/// Longest tag, in characters.
pub const MAX_TAG_CHARS: usize = 100;

/// Characters of a UUID: 8-4-4-4-12 digits (RFC 9562).
const UUID_CHARS: usize = 36;
const NIL_UUID: &str = "00000000-0000-0000-0000-000000000000";

/// An enum that comes from the wire as a number.
pub trait ProtoEnum: Sized {
    /// `None` for a number that the proto does not know, `Some(None)` for "not given".
    fn from_wire(value: i32) -> Option<Option<Self>>;
}

/// The violations of a request.
#[derive(Debug, Default)]
pub struct Violations {
    found: Vec<FieldViolation>,
    prefix: String,
}

impl Violations {
    /// No violations.
    pub fn new() -> Self {
        Self::default()
    }

    /// No violations, for fields with this prefix, as `task.`.
    pub fn within(prefix: &str) -> Self {
        Self { found: Vec::new(), prefix: prefix.to_owned() }
    }

    /// Notes a violation.
    pub fn add(&mut self, field: &str, description: impl Into<String>) {
        self.found.push(FieldViolation::new(format!("{}{field}", self.prefix), description));
    }

    /// Notes a violation of a field of the request itself, outside of the prefix.
    pub fn add_to_request(&mut self, field: &str, description: impl Into<String>) {
        self.found.push(FieldViolation::new(field, description));
    }

    /// Adds the violations of another check.
    pub fn absorb(&mut self, other: Self) {
        self.found.extend(other.found);
    }

    /// Notes a violation unless the condition holds.
    pub fn require(&mut self, holds: bool, field: &str, description: &str) {
        if !holds {
            self.add(field, description);
        }
    }

    /// Refuses if anything was found.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with all violations.
    pub fn finish(self) -> Result<()> {
        if self.found.is_empty() { Ok(()) } else { Err(Error::Invalid(self.found)) }
    }

    /// All violations in one sentence, for import reports; `None` if there are none.
    pub fn sentence(&self) -> Option<String> {
        if self.found.is_empty() {
            return None;
        }
        Some(
            self.found
                .iter()
                .map(|v| format!("{}: {}", v.field, v.description))
                .collect::<Vec<_>>()
                .join("; "),
        )
    }

    /// A required message of the request itself, outside of the prefix; a missing one is read as an empty one.
    pub fn message<M: Default>(&mut self, field: &str, message: Option<M>) -> M {
        if message.is_none() {
            self.add_to_request(field, "must be given");
        }
        message.unwrap_or_default()
    }

    /// A required UUID: 36 characters, digits of either case.
    pub fn uuid(&mut self, field: &str, value: &str) -> Uuid {
        let id =
            Some(value).filter(|text| text.len() == UUID_CHARS).and_then(|text| Uuid::try_parse(text).ok());
        self.require(id.is_some(), field, "must be a UUID");
        id.unwrap_or_default()
    }

    /// A UUID that may be empty.
    pub fn optional_uuid(&mut self, field: &str, value: &str) -> Option<Uuid> {
        (!value.is_empty()).then(|| self.uuid(field, value))
    }

    /// The UUID of a new resource: chosen by the client, or a new one (version 7). The nil UUID, which means nobody,
    /// cannot be chosen.
    pub fn uuid_or_new(&mut self, field: &str, value: &str) -> Uuid {
        if value.is_empty() { Uuid::now_v7() } else { self.resource_uuid(field, value) }
    }

    /// The UUID of a resource, which is never the nil UUID.
    pub fn resource_uuid(&mut self, field: &str, value: &str) -> Uuid {
        self.require(value != NIL_UUID, field, "must not be the nil UUID");
        self.uuid(field, value)
    }

    /// A text of so many characters. NUL, which PostgreSQL cannot hold, is refused everywhere.
    pub fn text(&mut self, field: &str, value: String, min: usize, max: usize) -> String {
        let length = value.chars().count();
        if length < min || length > max {
            self.add(field, format!("must have {min} to {max} characters, has {length}"));
        }
        self.require(!value.contains('\0'), field, "must not contain NUL");
        value
    }

    /// A text of one line, as a name or a title: as [`Self::text`], without characters that break it or change the order of
    /// others, and with something to see.
    pub fn line(&mut self, field: &str, value: String, min: usize, max: usize) -> String {
        let value = self.text(field, value, min, max);
        let breaks = value.chars().any(characters::breaks_line);
        self.require(!breaks, field, "must not contain control characters, line breaks or bidi controls");
        let is_blank = !value.chars().any(characters::is_visible);
        self.require(min == 0 || !is_blank, field, "must not be blank");
        value
    }

    /// A text of several lines, as a comment: at most so many bytes of UTF-8, a multiple of 1,024, and something to see.
    pub fn body(&mut self, field: &str, value: String, max_bytes: usize) -> String {
        if value.len() > max_bytes {
            self.add(field, format!("must not be larger than {} KiB", max_bytes / 1024));
        }
        self.require(!value.contains('\0'), field, "must not contain NUL");
        self.require(value.chars().any(characters::is_visible), field, "must not be blank");
        value
    }

    /// A text that may be missing; an empty one counts as missing.
    pub fn optional_text(&mut self, field: &str, value: Option<String>, max: usize) -> Option<String> {
        value.filter(|text| !text.is_empty()).map(|text| self.text(field, text, 0, max))
    }

    /// A web address (http or https), at most 2,048 characters; empty counts as missing.
    pub fn optional_url(&mut self, field: &str, value: Option<String>) -> Option<String> {
        let value = self.optional_text(field, value, 2048)?;
        let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
        let valid = rest.is_some_and(|rest| !rest.is_empty() && !value.contains(characters::is_hidden));
        self.require(valid, field, "must be an http or https address");
        Some(value)
    }

    /// A JSON object within [`MAX_JSON_BYTES`] and [`MAX_JSON_DEPTH`]; missing means empty.
    pub fn json(&mut self, field: &str, value: Option<Struct>) -> Value {
        let value = crate::json::from_struct(value.unwrap_or_default());
        self.require(value.is_some(), field, "must not contain NaN, infinities or values without a kind");
        let value = value.unwrap_or_default();
        self.check_json(field, &value);
        value
    }

    /// Whether a JSON value is within [`MAX_JSON_BYTES`] and [`MAX_JSON_DEPTH`].
    pub fn check_json(&mut self, field: &str, value: &Value) {
        self.require(depth(value) <= MAX_JSON_DEPTH, field, "must not be nested deeper than 30 levels");
        self.require(
            value.to_string().len() <= MAX_JSON_BYTES,
            field,
            "must not be larger than 64 KiB as JSON",
        );
        self.require(!contains_nul(value), field, "must not contain NUL");
    }

    /// A whole number within bounds; missing is `None`.
    pub fn optional_number(&mut self, field: &str, value: Option<i32>, min: i32, max: i32) -> Option<i32> {
        let number = value?;
        if number < min || number > max {
            self.add(field, format!("must be {min} to {max}"));
        }
        Some(number)
    }

    /// A known enum value; "not given" is `None`.
    pub fn optional_enum<E: ProtoEnum>(&mut self, field: &str, value: i32) -> Option<E> {
        let known = E::from_wire(value);
        if known.is_none() {
            self.add(field, format!("{value} is not a value of this enum"));
        }
        known.flatten()
    }

    /// At most `max` items, each read under the name of the list: what the closure finds is noted at the item, as `tags[1]`.
    pub fn items<T, R>(
        &mut self,
        field: &str,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        max: usize,
        mut read: impl FnMut(&mut Self, T) -> R,
    ) -> Vec<R> {
        let items = items.into_iter();
        self.at_most(field, items.len(), max);
        let read_item = |(index, item)| {
            let before = self.found.len();
            let value = read(self, item);
            for violation in self.found.iter_mut().skip(before) {
                violation.field.push_str(&format!("[{index}]"));
            }
            value
        };
        items.take(max).enumerate().map(read_item).collect()
    }

    /// At most `max` UUIDs.
    pub fn uuids(&mut self, field: &str, values: &[String], max: usize) -> Vec<Uuid> {
        self.items(field, values, max, |v, value| v.uuid(field, value))
    }

    /// Values of an enum, at most [`MAX_BATCH`]; "not given" is refused.
    pub fn enums<E: ProtoEnum>(&mut self, field: &str, values: &[i32]) -> Vec<E> {
        self.known_items(
            field,
            values,
            |value| E::from_wire(value).flatten(),
            "must be a known value of this enum",
        )
    }

    /// Numbers of enum values that `find` knows.
    pub fn known_items<T>(
        &mut self,
        field: &str,
        values: &[i32],
        find: impl Fn(i32) -> Option<T>,
        description: &str,
    ) -> Vec<T> {
        let known = self.items(field, values, MAX_BATCH, |v, value| {
            let known = find(*value);
            v.require(known.is_some(), field, description);
            known
        });
        known.into_iter().flatten().collect()
    }

    /// Labels: at most [`MAX_TAGS`], each of 1 to [`MAX_TAG_CHARS`] characters, in the normal form NFC, so that equal looks
    /// are equal tags; repeated ones are dropped.
    pub fn tags(&mut self, field: &str, tags: Vec<String>) -> Vec<String> {
        let nfc = ComposingNormalizerBorrowed::new_nfc();
        let mut kept = self.items(field, tags, MAX_TAGS, |v, tag| {
            // Some letters have no single sign in that form, and make a tag longer.
            v.line(field, nfc.normalize(&tag).into_owned(), 1, MAX_TAG_CHARS)
        });
        let mut seen = HashSet::new();
        kept.retain(|tag| seen.insert(tag.clone()));
        kept
    }

    /// A bounded number of items.
    pub fn at_most(&mut self, field: &str, count: usize, max: usize) {
        if count > max {
            self.add(field, format!("must have at most {max} items, has {count}"));
        }
    }
}

fn contains_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(contains_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || contains_nul(value)),
        _ => false,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use serde_json::json;

    use super::*;
    use crate::json::to_struct;

    #[test]
    fn all_violations_are_named() {
        let mut v = Violations::within("task.");
        v.uuid("id", "x");
        v.line("title", String::new(), 1, 255);
        v.optional_time("due_at", Some(prost_types::Timestamp { seconds: 0, nanos: -1 }));
        let Err(Error::Invalid(found)) = v.finish() else { panic!("nothing found") };
        let fields: Vec<_> = found.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["task.id", "task.title", "task.title", "task.due_at"]);
    }

    #[test]
    fn violations_of_items_name_their_places() {
        let mut v = Violations::within("task.");
        let tags = ["a", "", "a", " ", "e\u{301}", "\u{e9}"].map(str::to_owned).to_vec();
        assert_eq!(v.tags("tags", tags), ["a", "", " ", "\u{e9}"]);
        v.uuids("ids", &["x".to_owned(), Uuid::nil().to_string(), "y".to_owned()], 2);
        v.known_items("kinds", &[1, 7], |value| (value < 7).then_some(value), "must be small");
        let fields: Vec<_> = v.found.iter().map(|violation| violation.field.as_str()).collect();
        let tags = ["task.tags[1]", "task.tags[1]", "task.tags[3]"];
        assert_eq!(fields, [&tags[..], &["task.ids", "task.ids[0]", "task.kinds[1]"]].concat());
    }

    #[test]
    fn nul_is_refused_wherever_text_goes() {
        let mut v = Violations::new();
        v.text("bio", "a\0b".to_owned(), 0, 10);
        v.json("metadata", Some(crate::json::to_struct(&serde_json::json!({"a": "\0"}))));
        v.json("metadata", Some(crate::json::to_struct(&serde_json::json!({"a": "\\u0000 in other words"}))));
        assert_eq!(v.found.len(), 2);
    }

    #[test]
    fn the_deepest_object_is_decoded_also_as_part_of_a_larger_answer() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "n": inner }));
        let is_valid = |value: &Value| {
            let mut v = Violations::new();
            v.json("metadata", Some(to_struct(value)));
            v.finish().is_ok()
        };
        let deepest = nested(MAX_JSON_DEPTH);
        assert!(is_valid(&deepest) && !is_valid(&nested(MAX_JSON_DEPTH + 1)));
        // Three levels of objects around it are nine of messages.
        let answer = json!({"a": {"b": {"c": deepest}}});
        let decoded = Struct::decode(to_struct(&answer).encode_to_vec().as_slice()).unwrap();
        assert_eq!(crate::json::from_struct(decoded), Some(answer));
    }

    #[test]
    fn a_uuid_has_one_form() {
        let id = Uuid::now_v7();
        let nil = Uuid::nil().to_string();
        let is_valid = |text: &str| {
            let mut v = Violations::new();
            v.uuid("id", text);
            v.finish().is_ok()
        };
        for good in [id.to_string(), id.to_string().to_uppercase(), nil.clone()] {
            assert!(is_valid(&good), "{good}");
        }
        for bad in [String::new(), id.simple().to_string(), id.braced().to_string(), id.urn().to_string()] {
            assert!(!is_valid(&bad), "{bad}");
        }
        let mut v = Violations::new();
        v.uuid_or_new("id", &nil);
        assert_eq!(v.found.len(), 1, "nobody's id for a new resource");
    }
}
