//! Values for a field: around each bound of its rules, and some that formats and patterns are about.

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};
use serde_json::json;
use uuid::Uuid;

/// Texts that rules about characters are about.
const CHARACTERS: [&str; 17] = [
    "",
    "a",
    " ",
    "\0",
    "a\0b",
    "a\nb",
    "a\u{85}b",
    "\u{a0}",
    "\u{2028}",
    "\u{3000}x",
    "é",
    "\u{200b}",
    "\u{3164}",
    "\u{301}",
    "a\u{202e}b",
    "a\u{2029}b",
    "a\u{200e}",
];
/// Ids and what resembles them.
const IDS: [&str; 7] = [
    "",
    "a",
    "00000000-0000-0000-0000-000000000000",
    "018f3A5c-7d2e-7abc-8def-0123456789ab",
    "018f3a5c7d2e7abc8def0123456789ab",
    "{018f3a5c-7d2e-7abc-8def-0123456789ab}",
    "018f3a5c-7d2e-7abc-8def-0123456789ag",
];
/// Texts that some pattern or format accepts.
const FORMATS: [&str; 23] = [
    "...",
    "Erased-1",
    "olga@example.org",
    "olga@example",
    "olga",
    "o l",
    "ol",
    "o.l_g-A",
    "DAF",
    "DAF-42",
    "daf-42",
    "DAF-0",
    "123456",
    " 12 34 56 ",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "192.0.2.1",
    "2001:db8::1",
    "https://example.org/x",
    "tasks:read",
    "text/markdown",
    "00000000-0000-0000-0000-00000000000",
    "👍",
];
/// Numbers of seconds that times and durations are tried with: about their ranges, and small ones.
const SECONDS: [i64; 8] =
    [i64::MIN, SECONDS_OF_YEAR_1, -1, 0, 1, SECONDS_OF_YEAR_9999, MAX_DURATION_SECONDS, i64::MAX];
/// The first and last second of a `Timestamp`, since 1970.
const SECONDS_OF_YEAR_1: i64 = -62_135_596_800;
const SECONDS_OF_YEAR_9999: i64 = 253_402_300_799;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// The longest `Duration`.
const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

/// The rules of a field as its option has them.
pub fn rules_of(field: &FieldDescriptor) -> Option<DynamicMessage> {
    let extension = option("buf.validate.field");
    let options = field.options();
    options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension).as_message().cloned().unwrap())
}

fn option(name: &str) -> ExtensionDescriptor {
    proto::descriptor_pool().get_extension_by_name(name).unwrap()
}

/// All numbers in the rules, and those of the rules for items separately.
struct Bounds {
    own: Vec<i128>,
    of_items: Vec<i128>,
    /// Whether a text is an id.
    is_id: bool,
}

impl Bounds {
    fn of(field: &FieldDescriptor) -> Self {
        let mut bounds = Self { own: Vec::new(), of_items: Vec::new(), is_id: false };
        if let Some(rules) = rules_of(field) {
            bounds.collect(&rules, false);
        }
        bounds
    }

    fn collect(&mut self, rules: &DynamicMessage, is_of_items: bool) {
        for (field, value) in rules.fields() {
            let found = match value {
                Value::I32(number) => i128::from(*number),
                Value::I64(number) => i128::from(*number),
                Value::U32(number) => i128::from(*number),
                Value::U64(number) => i128::from(*number),
                Value::Message(inner) => {
                    self.collect(inner, is_of_items || field.name() == "items");
                    continue;
                }
                _ => {
                    self.is_id |= field.name() == "uuid";
                    continue;
                }
            };
            if is_of_items { self.of_items.push(found) } else { self.own.push(found) }
        }
    }
}

/// The numbers around each bound.
fn around(bounds: &[i128]) -> Vec<i128> {
    let mut numbers: Vec<_> = bounds.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A fresh id, so that calls never meet each other's rows.
pub fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}

/// Values for one item of a list, or for a field that is none.
pub fn items(field: &FieldDescriptor) -> Vec<Value> {
    let bounds = Bounds::of(field);
    let owned =
        |texts: &[&str]| texts.iter().map(|text| Value::String((*text).to_owned())).collect::<Vec<_>>();
    if bounds.is_id {
        return [vec![Value::String(fresh_id())], owned(&IDS)].concat();
    }
    if field.kind() == Kind::String && rules_of(field).is_none() {
        return owned(&CHARACTERS);
    }
    singles(&field.kind(), if field.is_list() { &bounds.of_items } else { &bounds.own })
}

/// Lists of as many items as the rules are about. Ids are fresh ones.
pub fn lists(field: &FieldDescriptor, item: &Value) -> Vec<Value> {
    let counts = around(&Bounds::of(field).own);
    let counts = counts.into_iter().filter_map(|count| usize::try_from(count).ok());
    counts.map(|count| Value::List((0..count).map(|_| with_fresh_ids(item)).collect())).collect()
}

/// The same value with other ids.
pub fn with_fresh_ids(value: &Value) -> Value {
    match value {
        Value::String(text) if Uuid::try_parse(text).is_ok() => Value::String(fresh_id()),
        Value::Message(message) => {
            let mut fresh = message.clone();
            for (field, value) in message.fields() {
                fresh.set_field(&field, with_fresh_ids(value));
            }
            Value::Message(fresh)
        }
        other => other.clone(),
    }
}

/// Values that a field would refuse if the server did not ignore it.
pub fn ignored(field: &FieldDescriptor) -> Option<Value> {
    let value = match field.kind() {
        Kind::String => Value::String("\0".to_owned()),
        Kind::Int32 => Value::I32(-1),
        Kind::Int64 => Value::I64(-1),
        Kind::Enum(_) => Value::EnumNumber(-1),
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            with_seconds(&message, i64::MIN, 0)
        }
        Kind::Message(message) => Value::Message(DynamicMessage::new(message)),
        _ => return None,
    };
    Some(if field.is_list() { Value::List(vec![value]) } else { value })
}

fn singles(kind: &Kind, bounds: &[i128]) -> Vec<Value> {
    let numbers = || around(&[bounds, &[0]].concat()).into_iter();
    match kind {
        Kind::String => texts(bounds).into_iter().map(Value::String).collect(),
        Kind::Bytes => lengths(bounds).map(|length| Value::Bytes(vec![7; length].into())).collect(),
        Kind::Bool => vec![Value::Bool(false), Value::Bool(true)],
        Kind::Uint64 => numbers().filter_map(|number| Some(Value::U64(number.try_into().ok()?))).collect(),
        Kind::Int32 => numbers()
            .chain([i32::MIN.into(), i32::MAX.into()])
            .filter_map(|number| Some(Value::I32(number.try_into().ok()?)))
            .collect(),
        Kind::Int64 => numbers()
            .chain([i64::MIN.into(), i64::MAX.into()])
            .filter_map(|number| Some(Value::I64(number.try_into().ok()?)))
            .collect(),
        Kind::Enum(values) => {
            let known = values.values().map(|value| value.number());
            known.chain([-1, 999]).map(Value::EnumNumber).collect()
        }
        Kind::Message(message) => well_known(message, bounds),
        other => panic!("no values for {other:?}"),
    }
}

fn lengths(bounds: &[i128]) -> impl Iterator<Item = usize> {
    around(&[bounds, &[0]].concat()).into_iter().filter_map(|length| usize::try_from(length).ok())
}

fn texts(bounds: &[i128]) -> Vec<String> {
    let mut texts = vec![fresh_id()];
    texts.extend(CHARACTERS.iter().chain(&IDS).chain(&FORMATS).map(|text| (*text).to_owned()));
    for length in lengths(bounds) {
        texts.push("a".repeat(length));
        // Of two bytes.
        texts.push("é".repeat(length));
        texts.push("é".repeat(length / 2));
    }
    texts
}

/// Messages of `google.protobuf` that stand for values.
fn well_known(message: &MessageDescriptor, bounds: &[i128]) -> Vec<Value> {
    let seconds = around(bounds).into_iter().filter_map(|seconds| i64::try_from(seconds).ok());
    match message.full_name() {
        "google.protobuf.Timestamp" | "google.protobuf.Duration" => {
            let whole = seconds.chain(SECONDS).map(|seconds| (seconds, 0));
            let fractions = [(1, -1), (1, 1), (1, 1_000_000_000)];
            whole.chain(fractions).map(|(seconds, nanos)| with_seconds(message, seconds, nanos)).collect()
        }
        "google.protobuf.Struct" | "google.protobuf.Value" => {
            [json!({}), json!({"a": {"b": [1, null]}})].map(|value| from_json(message, value)).into()
        }
        "google.protobuf.FieldMask" => {
            ["", "*", "title", "id,etag"].map(|paths| from_json(message, json!(paths))).into()
        }
        other => panic!("no values for {other}"),
    }
}

fn from_json(message: &MessageDescriptor, value: serde_json::Value) -> Value {
    Value::Message(DynamicMessage::deserialize(message.clone(), value).unwrap())
}

/// Whether a message has a time or duration beyond the range of its type, or with impossible parts of seconds.
pub fn is_out_of_range(message: &DynamicMessage) -> bool {
    let number = |name| match message.get_field_by_name(name).as_deref() {
        Some(Value::I64(number)) => *number,
        Some(Value::I32(number)) => i64::from(*number),
        other => panic!("{name}: {other:?}"),
    };
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => {
            let is_valid = (SECONDS_OF_YEAR_1..=SECONDS_OF_YEAR_9999).contains(&number("seconds"));
            !is_valid || !(0..NANOS_PER_SECOND).contains(&number("nanos"))
        }
        "google.protobuf.Duration" => {
            let (seconds, nanos) = (number("seconds"), number("nanos"));
            let is_valid = seconds.unsigned_abs() <= MAX_DURATION_SECONDS.unsigned_abs()
                && nanos.abs() < NANOS_PER_SECOND;
            !is_valid || seconds.signum() * nanos.signum() < 0
        }
        _ => message.fields().any(|(_, value)| has_out_of_range(value)),
    }
}

fn has_out_of_range(value: &Value) -> bool {
    match value {
        Value::Message(message) => is_out_of_range(message),
        Value::List(items) => items.iter().any(has_out_of_range),
        _ => false,
    }
}

/// A `Timestamp` or `Duration`.
pub fn with_seconds(message: &MessageDescriptor, seconds: i64, nanos: i32) -> Value {
    let mut value = DynamicMessage::new(message.clone());
    value.set_field_by_name("seconds", Value::I64(seconds));
    value.set_field_by_name("nanos", Value::I32(nanos));
    Value::Message(value)
}
