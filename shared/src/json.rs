//! `google.protobuf.Struct` and `Timestamp` to and from what the database holds.

use chrono::{DateTime, Utc};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value as ProtoValue};
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
    /// The entries at these paths (keys with dots between) become what they are in `values`; what is not there goes.
    Entries {
        /// The new values, at their paths.
        values: Value,
        /// Which.
        paths: Vec<String>,
    },
}

impl JsonChange {
    /// The object after the change.
    pub fn apply(self, mut present: Value) -> Value {
        match self {
            Self::Whole(value) => value,
            Self::Entries { values, paths } => {
                for path in &paths {
                    copy(Some(&values), &mut present, path);
                }
                present
            }
        }
    }
}

/// Makes what is at this path what it is in `from`.
fn copy(from: Option<&Value>, to: &mut Value, path: &str) {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    let value = from.and_then(|from| from.get(key));
    if value.is_none() && to.get(key).is_none() {
        return;
    }
    // What is no object has no entries: it makes room for one.
    if !to.is_object() {
        *to = Value::Object(Map::new());
    }
    let Value::Object(object) = to else { return };
    match (rest, value) {
        (Some(rest), value) => copy(value, object.entry(key).or_insert(Value::Null), rest),
        (None, Some(value)) => drop(object.insert(key.to_owned(), value.clone())),
        (None, None) => drop(object.remove(key)),
    }
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

    #[test]
    fn entries_change_and_the_others_stay() {
        let present = json!({"theme": "dark", "editor": {"tabs": 4, "wrap": true}, "size": 12});
        let change = |values: Value, paths: &[&str]| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            JsonChange::Entries { values, paths }.apply(present.clone())
        };
        let values = json!({"theme": "light", "editor": {"tabs": 2, "wrap": false}, "size": {"pt": 9}});
        assert_eq!(
            change(values.clone(), &["theme", "editor.tabs"]),
            json!({"theme": "light", "editor": {"tabs": 2, "wrap": true}, "size": 12})
        );
        assert_eq!(
            change(values, &["size.pt", "editor"]),
            json!({"theme": "dark", "editor": {"tabs": 2, "wrap": false}, "size": {"pt": 9}})
        );
        assert_eq!(
            change(json!({}), &["theme", "editor.wrap", "size.pt", "nothing.at.all"]),
            json!({"editor": {"tabs": 4}, "size": 12})
        );
        assert_eq!(JsonChange::Whole(json!({"a": 1})).apply(present), json!({"a": 1}));
    }

    #[test]
    fn json_survives_the_way_there_and_back() {
        let value = json!({"a": [1, 2.5, null, true, "x"], "b": {"c": {}}, "big": 9_007_199_254_740_991_i64});
        assert_eq!(from_struct(to_struct(&value)), value);
    }
}
