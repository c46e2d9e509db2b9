//! `google.protobuf.Struct`, `Timestamp` and `Duration` to and from what the database holds.

mod change;

pub(crate) use change::patch_field;
pub use change::{JsonChange, JsonPatch};

use chrono::{DateTime, Utc};
use prost_types::value::Kind;
use prost_types::{Duration, ListValue, Struct, Timestamp, Value as ProtoValue};
use serde_json::{Map, Number, Value};

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

/// A message as a JSON object. Whole numbers become integers, as in the canonical JSON mapping. `None` for what JSON has
/// no form for: NaN, an infinity, or a value without a kind (google/protobuf/struct.proto).
pub fn from_struct(message: Struct) -> Option<Value> {
    let fields = message.fields.into_iter().map(|(key, value)| Some((key, from_proto(value)?)));
    Some(Value::Object(fields.collect::<Option<Map<_, _>>>()?))
}

fn from_proto(value: ProtoValue) -> Option<Value> {
    Some(match value.kind? {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(flag) => Value::Bool(flag),
        Kind::NumberValue(number) => Value::Number(from_number(number)?),
        Kind::StringValue(text) => Value::String(text),
        Kind::ListValue(list) => {
            Value::Array(list.values.into_iter().map(from_proto).collect::<Option<_>>()?)
        }
        Kind::StructValue(object) => from_struct(object)?,
    })
}

/// The largest whole number that a double holds exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

fn from_number(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() <= MAX_EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "whole and within range")]
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
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

/// The time of a message of a service; `None` for one that is none.
pub fn from_timestamp(time: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_stop_at_the_longest_message() {
        assert_eq!(to_duration(60).seconds, 60);
        assert_eq!(to_duration(i64::MAX).seconds, MAX_DURATION_SECONDS);
    }

    #[test]
    fn json_survives_the_way_there_and_back() {
        let value = json!({"a": [1, 2.5, null, true, "x"], "b": {"c": {}}, "big": 9_007_199_254_740_991_i64});
        assert_eq!(from_struct(to_struct(&value)), Some(value));
    }

    #[test]
    fn what_json_has_no_form_for_is_refused_at_any_depth() {
        let number = |number| Some(Kind::NumberValue(number));
        for kind in [None, number(f64::NAN), number(f64::INFINITY), number(f64::NEG_INFINITY)] {
            let value = ProtoValue { kind };
            let in_list =
                ProtoValue { kind: Some(Kind::ListValue(ListValue { values: vec![value.clone()] })) };
            let object = |value| Struct { fields: [("x".to_owned(), value)].into() };
            let in_object = ProtoValue { kind: Some(Kind::StructValue(object(value.clone()))) };
            for value in [value, in_list, in_object] {
                assert_eq!(from_struct(object(value.clone())), None, "{value:?}");
            }
        }
    }
}
