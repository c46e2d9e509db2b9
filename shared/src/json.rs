//! `google.protobuf.Struct`, `Timestamp` and `Duration` to and from what the database holds.

use chrono::{DateTime, Utc};
use prost_types::value::Kind;
use prost_types::{Duration, ListValue, Struct, Timestamp, Value as ProtoValue};
use serde_json::{Map, Number, Value};

use crate::error::Result;
use crate::validation::Violations;

/// A JSON object as a message. Anything but an object becomes an empty one.
pub fn to_struct(value: &Value) -> Struct {
    let fields = value
        .as_object()
        .map(|object| object.iter().map(|(key, value)| (key.clone(), to_proto(value))).collect())
        .unwrap_or_default();
    Struct { fields }
}

fn to_proto(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(to_proto).collect() }),
        Value::Object(_) => Kind::StructValue(to_struct(value)),
    };
    ProtoValue { kind: Some(kind) }
}

/// A message as a JSON object. Whole numbers become integers, as in the canonical JSON mapping.
pub fn from_struct(message: Struct) -> Value {
    Value::Object(
        message.fields.into_iter().map(|(key, value)| (key, from_proto(value))).collect::<Map<_, _>>(),
    )
}

fn from_proto(value: ProtoValue) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(number)) => from_number(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(from_proto).collect()),
        Some(Kind::StructValue(object)) => from_struct(object),
    }
}

/// The largest whole number that a double holds exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

fn from_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= MAX_EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "whole and within range")]
        return Value::Number(Number::from(number as i64));
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// What becomes of a JSON object in an update.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonChange {
    /// Another takes its place.
    Whole(Value),
    /// Some of its entries change.
    Patch(JsonPatch),
}

/// A partial change of a JSON object: first the entries at `unset` are removed, then those of `set` are merged in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonPatch {
    /// An object in it is merged with the object that is there; any other value replaces what is there.
    pub set: Value,
    /// The keys to each entry, from the outside to the inside. What is not there is ignored.
    pub unset: Vec<Vec<String>>,
}

impl JsonChange {
    /// The object after the change.
    pub fn apply(self, mut present: Value) -> Value {
        match self {
            Self::Whole(value) => value,
            Self::Patch(JsonPatch { set, unset }) => {
                for keys in &unset {
                    remove(&mut present, keys);
                }
                merge(&mut present, set);
                present
            }
        }
    }

    /// The object after the change, if it is within the limits of JSON objects. `field` is the object's.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with a violation at `<field>_patch`.
    pub fn apply_within_limits(self, field: &str, present: Value) -> Result<Value> {
        let changed = self.apply(present);
        let mut v = Violations::new();
        v.check_json(&patch_field(field), &changed);
        v.finish()?;
        Ok(changed)
    }
}

/// The name of the request field that patches an object of the resource.
pub(crate) fn patch_field(field: &str) -> String {
    format!("{field}_patch")
}

fn remove(object: &mut Value, keys: &[String]) {
    match keys {
        [] => {}
        [key] => {
            if let Some(object) = object.as_object_mut() {
                object.remove(key);
            }
        }
        [key, rest @ ..] => {
            if let Some(inner) = object.get_mut(key) {
                remove(inner, rest);
            }
        }
    }
}

fn merge(present: &mut Value, set: Value) {
    match (present, set) {
        (Value::Object(present), Value::Object(set)) => {
            for (key, value) in set {
                merge(present.entry(key).or_insert(Value::Null), value);
            }
        }
        (present, set) => *present = set,
    }
}

/// The longest `google.protobuf.Duration`, in seconds.
pub const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

/// So many seconds as a message; at most the longest that there is.
pub fn to_duration(seconds: i64) -> Duration {
    Duration { seconds: seconds.clamp(-MAX_DURATION_SECONDS, MAX_DURATION_SECONDS), nanos: 0 }
}

/// A time as a message.
pub fn to_timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(present: Value, set: Value, unset: &[&[&str]]) -> Value {
        let unset = unset.iter().map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()).collect();
        JsonChange::Patch(JsonPatch { set, unset }).apply(present)
    }

    #[test]
    fn a_patch_changes_entries_and_leaves_the_others() {
        let present = json!({"theme": "dark", "editor": {"tabs": 4, "wrap": true}, "size": 12});
        assert_eq!(
            patched(present.clone(), json!({"theme": null, "editor": {"tabs": 2}, "size": {"pt": 9}}), &[]),
            json!({"theme": null, "editor": {"tabs": 2, "wrap": true}, "size": {"pt": 9}})
        );
        assert_eq!(
            patched(
                present.clone(),
                json!({}),
                &[&["theme"], &["editor", "wrap"], &["size", "pt"], &["x", "y"]]
            ),
            json!({"editor": {"tabs": 4}, "size": 12})
        );
        assert_eq!(JsonChange::Whole(json!({"a": 1})).apply(present), json!({"a": 1}));
    }

    #[test]
    fn a_patch_removes_before_it_sets_and_takes_keys_as_they_are() {
        let present = json!({"a": {"old": 1}, "x.y": 2});
        assert_eq!(patched(present, json!({"a": {"new": 1}}), &[&["a"], &["x.y"]]), json!({"a": {"new": 1}}));
    }

    #[test]
    fn the_result_of_a_patch_is_within_the_limits() {
        let half = || "x".repeat(crate::validation::MAX_JSON_BYTES / 2);
        let patch = JsonPatch { set: json!({"b": half()}), unset: Vec::new() };
        let change = JsonChange::Patch(patch);
        assert!(change.clone().apply_within_limits("metadata", json!({})).is_ok());
        let refusal = change.apply_within_limits("metadata", json!({"a": half()})).unwrap_err();
        let crate::error::Error::Invalid(violations) = refusal else { panic!("{refusal}") };
        assert_eq!(violations[0].field, "metadata_patch");
    }

    #[test]
    fn durations_stop_at_the_longest_message() {
        assert_eq!(to_duration(60).seconds, 60);
        assert_eq!(to_duration(i64::MAX).seconds, MAX_DURATION_SECONDS);
    }

    #[test]
    fn json_survives_the_way_there_and_back() {
        let value = json!({"a": [1, 2.5, null, true, "x"], "b": {"c": {}}, "big": 9_007_199_254_740_991_i64});
        assert_eq!(from_struct(to_struct(&value)), value);
    }
}
