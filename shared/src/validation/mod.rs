//! Checks of requests that collect *all* violations before they refuse (google.rpc.BadRequest).
//!
//! Each check returns the value it made of a field, or a placeholder after noting a violation, so that the
//! checks of a message stand one below the other; [`Violations::finish`] then refuses or lets pass.

mod email;
mod mask;

pub use email::{MAX_EMAIL_CHARS, ascii_domain, normal_email, normal_email_prefix, unicode_domain};
pub use mask::Mask;

use chrono::{DateTime, Utc};
use prost_types::{Struct, Timestamp};
use serde_json::Value;
use tonic_types::FieldViolation;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::json::JsonChange;

/// Largest JSON value, in bytes of its text.
pub const MAX_JSON_BYTES: usize = 64 * 1024;
/// Deepest nesting of a JSON value.
pub const MAX_JSON_DEPTH: usize = 32;
/// Longest free text, in characters.
pub const MAX_TEXT_CHARS: usize = 100_000;
/// Most items in a batch or a list of a request.
pub const MAX_BATCH: usize = 1_000;
/// Most tags on a resource.
pub const MAX_TAGS: usize = 50;
/// Longest tag, in characters.
pub const MAX_TAG_CHARS: usize = 100;
/// Most violations that are told one by one: they travel in a header, and a client's headers have limits too.
pub const MAX_VIOLATIONS: usize = 50;

/// An enum that comes from the wire as a number.
pub trait ProtoEnum: Sized {
    /// `None` for a number that the proto does not know, `Some(None)` for "not given".
    fn from_wire(value: i32) -> Option<Option<Self>>;
}

/// The violations found so far.
#[derive(Debug, Default)]
pub struct Violations {
    found: Vec<FieldViolation>,
    prefix: String,
}

impl Violations {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing found yet, for the fields below this path, as `task.`.
    pub fn within(prefix: &str) -> Self {
        Self { found: Vec::new(), prefix: prefix.to_owned() }
    }

    /// Notes a violation.
    pub fn add(&mut self, field: &str, description: impl Into<String>) {
        self.found.push(FieldViolation::new(format!("{}{field}", self.prefix), description));
    }

    /// Takes over what another check found.
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
    /// `INVALID_ARGUMENT` with all violations; of more than [`MAX_VIOLATIONS`], the first and how many there are.
    pub fn finish(mut self) -> Result<()> {
        let count = self.found.len();
        if count == 0 {
            return Ok(());
        }
        if count > MAX_VIOLATIONS {
            self.found.truncate(MAX_VIOLATIONS);
            self.found.push(FieldViolation::new("", format!("and {} more", count - MAX_VIOLATIONS)));
        }
        Err(Error::Invalid(self.found))
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

    /// A required UUID; not the nil one, which stands for nobody.
    pub fn uuid(&mut self, field: &str, value: &str) -> Uuid {
        match Uuid::try_parse(value) {
            Ok(id) if !id.is_nil() => id,
            _ => {
                self.add(field, "must be a UUID");
                Uuid::nil()
            }
        }
    }

    /// A UUID that may be empty.
    pub fn optional_uuid(&mut self, field: &str, value: &str) -> Option<Uuid> {
        (!value.is_empty()).then(|| self.uuid(field, value))
    }

    /// A UUID chosen by the client, or a new one (version 7).
    pub fn uuid_or_new(&mut self, field: &str, value: &str) -> Uuid {
        self.optional_uuid(field, value).unwrap_or_else(Uuid::now_v7)
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

    /// A text of one line: as [`Self::text`], without control characters, and not only blanks.
    pub fn line(&mut self, field: &str, value: String, min: usize, max: usize) -> String {
        let value = self.text(field, value, min, max);
        self.require(!value.chars().any(char::is_control), field, "must not contain control characters");
        self.require(min == 0 || !value.trim().is_empty(), field, "must not be blank");
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
        let valid = rest.is_some_and(|rest| !rest.is_empty() && !value.contains(char::is_whitespace));
        self.require(valid, field, "must be an http or https address");
        Some(value)
    }

    /// A JSON object within [`MAX_JSON_BYTES`] and [`MAX_JSON_DEPTH`]; missing means empty.
    pub fn json(&mut self, field: &str, value: Option<Struct>) -> Value {
        let value = crate::json::from_struct(value.unwrap_or_default());
        self.check_json(field, &value);
        value
    }

    /// What a mask makes of a JSON object: another, other entries, or nothing.
    pub fn json_change(&mut self, mask: &Mask, field: &str, value: Option<Struct>) -> Option<JsonChange> {
        let paths: Vec<String> = mask.entries_of(field).map(str::to_owned).collect();
        if mask.names(field) {
            return Some(JsonChange::Whole(self.json(field, value)));
        }
        (!paths.is_empty()).then(|| JsonChange::Entries { values: self.json(field, value), paths })
    }

    /// Whether a JSON value is within [`MAX_JSON_BYTES`] and [`MAX_JSON_DEPTH`].
    pub fn check_json(&mut self, field: &str, value: &Value) {
        self.require(depth(value) <= MAX_JSON_DEPTH, field, "must not be nested deeper than 32 levels");
        let text = value.to_string();
        self.require(text.len() <= MAX_JSON_BYTES, field, "must not be larger than 64 KiB as JSON");
        self.require(!text.contains("\\u0000"), field, "must not contain NUL");
    }

    /// A time between the years 1 and 9999 (google.protobuf.Timestamp); missing is `None`.
    pub fn optional_time(&mut self, field: &str, value: Option<Timestamp>) -> Option<DateTime<Utc>> {
        const FIRST: i64 = -62_135_596_800;
        const LAST: i64 = 253_402_300_799;
        let value = value?;
        let time = u32::try_from(value.nanos)
            .ok()
            .filter(|nanos| *nanos < 1_000_000_000 && (FIRST..=LAST).contains(&value.seconds))
            .and_then(|nanos| DateTime::from_timestamp(value.seconds, nanos));
        if time.is_none() {
            self.add(field, "must be a time between the years 1 and 9999");
        }
        time
    }

    /// A required time that is not in the future.
    pub fn past_time(&mut self, field: &str, value: Option<Timestamp>) -> DateTime<Utc> {
        self.require(value.is_some(), field, "must be given");
        let time = self.optional_time(field, value).unwrap_or_default();
        self.require(time <= Utc::now(), field, "must not be in the future");
        time
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

    /// Enum values to filter by; "not given" is refused.
    pub fn enums<E: ProtoEnum>(&mut self, field: &str, values: &[i32]) -> Vec<E> {
        self.at_most(field, values.len(), MAX_BATCH);
        let known: Vec<E> = values.iter().filter_map(|value| E::from_wire(*value).flatten()).collect();
        self.require(known.len() == values.len(), field, "must hold known values of this enum only");
        known
    }

    /// Labels: at most [`MAX_TAGS`], each of 1 to [`MAX_TAG_CHARS`] characters; repeated ones are dropped.
    pub fn tags(&mut self, field: &str, tags: Vec<String>) -> Vec<String> {
        self.at_most(field, tags.len(), MAX_TAGS);
        let mut kept: Vec<String> = Vec::with_capacity(tags.len().min(MAX_TAGS));
        for tag in tags.into_iter().take(MAX_TAGS) {
            let tag = self.line(field, tag, 1, MAX_TAG_CHARS);
            if !kept.contains(&tag) {
                kept.push(tag);
            }
        }
        kept
    }

    /// A bounded number of items.
    pub fn at_most(&mut self, field: &str, count: usize, max: usize) {
        if count > max {
            self.add(field, format!("must have at most {max} items, has {count}"));
        }
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
    use super::*;

    #[test]
    fn all_violations_are_named() {
        let mut v = Violations::within("task.");
        v.uuid("id", "x");
        v.line("title", String::new(), 1, 255);
        v.optional_time("due_date", Some(Timestamp { seconds: 0, nanos: -1 }));
        let Err(Error::Invalid(found)) = v.finish() else { panic!("nothing found") };
        let fields: Vec<_> = found.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["task.id", "task.title", "task.title", "task.due_date"]);
    }

    #[test]
    fn a_thousand_violations_still_fit_into_a_header() {
        let mut v = Violations::new();
        (0..1_000).for_each(|_| v.add("user_ids", "must be a UUID"));
        let Err(Error::Invalid(found)) = v.finish() else { panic!("nothing found") };
        assert_eq!(found.len(), MAX_VIOLATIONS + 1);
        assert_eq!(found.last().unwrap().description, "and 950 more");
    }

    #[test]
    fn nul_is_refused_wherever_text_goes() {
        let mut v = Violations::new();
        v.text("bio", "a\0b".to_owned(), 0, 10);
        v.json("metadata", Some(crate::json::to_struct(&serde_json::json!({"a": "\0"}))));
        assert_eq!(v.found.len(), 2);
    }
}
