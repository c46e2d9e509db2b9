//! Changes of JSON objects, whole or in parts.

use serde_json::{Map, Value};

use crate::error::Result;
use crate::validation::{MAX_BATCH, MAX_JSON_DEPTH, Violations};
use proto::common::StructPatch;

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

impl Violations {
    /// A partial change of a JSON object: its parts are within the limits of such objects, and its result must be as well
    /// ([`JsonChange::apply_within_limits`]). One that changes nothing
    /// counts as missing. The field is the request's, outside of the prefix.
    pub(crate) fn json_patch(&mut self, field: &str, patch: Option<StructPatch>) -> Option<JsonPatch> {
        let StructPatch { set, unset } = patch?;
        let mut v = Self::new();
        v.at_most(&format!("{field}.unset"), unset.len(), MAX_BATCH);
        for (index, path) in unset.iter().enumerate().take(MAX_BATCH) {
            v.require(
                (1..=MAX_JSON_DEPTH).contains(&path.keys.len()),
                &format!("{field}.unset[{index}].keys"),
                "must have 1 to 32 keys",
            );
        }
        let set = v.json(&format!("{field}.set"), set);
        self.absorb(v);
        let patch = JsonPatch { set, unset: unset.into_iter().map(|path| path.keys).collect() };
        let is_empty = patch.unset.is_empty() && patch.set.as_object().is_none_or(Map::is_empty);
        (!is_empty).then_some(patch)
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
}
