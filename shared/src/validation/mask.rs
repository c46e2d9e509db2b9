//! Which fields an update changes (AIP-134).
//!
//! Without a mask, every populated field changes; with `*`, every field, and those that are not populated are cleared;
//! else those that the mask names. Values are validated if they are populated, also those that the mask does not name.

use prost_types::{Duration, FieldMask, Struct, Timestamp};

use super::Violations;
use crate::json::{JsonChange, patch_field};
use proto::common::StructPatch;

/// The path for all fields.
const ALL: &str = "*";
/// Longest part of an unknown path that a violation repeats, in characters.
const MAX_SHOWN_CHARS: usize = 100;

/// The fields that an update changes.
#[derive(Debug)]
pub struct Mask {
    fields: Fields,
    has_changes: bool,
}

#[derive(Debug)]
enum Fields {
    Populated,
    All,
    Named(Vec<&'static str>),
}

impl Mask {
    /// Reads the mask of a resource with these changeable fields. Paths are in `snake_case` or `lowerCamelCase`; another
    /// one is a violation at `update_mask`.
    pub fn of(
        violations: &mut Violations,
        mask: Option<FieldMask>,
        changeable: &'static [&'static str],
    ) -> Self {
        let paths = mask.unwrap_or_default().paths;
        let fields = match paths.as_slice() {
            [] => Fields::Populated,
            [path] if path == ALL => Fields::All,
            paths => {
                Fields::Named(paths.iter().filter_map(|path| find(violations, path, changeable)).collect())
            }
        };
        Self { fields, has_changes: false }
    }

    /// The validated value if the update changes its field, else `None`: "leave as it is".
    pub fn pick<F: Populated, T>(
        &mut self,
        field: &str,
        value: F,
        validate: impl FnOnce(F) -> T,
    ) -> Option<T> {
        let is_populated = value.is_populated();
        let changes = self.changes(field, is_populated);
        self.has_changes |= changes;
        (changes || is_populated).then(|| validate(value)).filter(|_| changes)
    }

    /// What becomes of a field that is a JSON object, from its value and the patch beside the mask.
    pub fn pick_json(
        &mut self,
        violations: &mut Violations,
        field: &str,
        value: Option<Struct>,
        patch: Option<StructPatch>,
    ) -> Option<JsonChange> {
        let whole = self.pick(field, value, |value| violations.json(field, value)).map(JsonChange::Whole);
        let patch = violations.json_patch(&patch_field(field), patch).map(JsonChange::Patch);
        self.has_changes |= patch.is_some();
        if whole.is_some() && patch.is_some() {
            violations
                .add_to_request(&patch_field(field), format!("must not be given together with {field}"));
        }
        whole.or(patch)
    }

    /// Whether any field that was picked changes.
    pub fn has_changes(&self) -> bool {
        self.has_changes
    }

    fn changes(&self, field: &str, is_populated: bool) -> bool {
        match &self.fields {
            Fields::Populated => is_populated,
            Fields::All => true,
            Fields::Named(names) => names.contains(&field),
        }
    }
}

/// The field of a path.
fn find(
    violations: &mut Violations,
    path: &str,
    changeable: &'static [&'static str],
) -> Option<&'static str> {
    let field = changeable.iter().find(|field| **field == path || is_camel_case_of(path, field)).copied();
    if field.is_none() {
        let shown: String = path.chars().take(MAX_SHOWN_CHARS).collect();
        violations.add_to_request(
            "update_mask",
            format!("{shown:?} is not one of {}, or \"*\" alone", changeable.join(", ")),
        );
    }
    field
}

fn is_camel_case_of(path: &str, field: &str) -> bool {
    let mut path = path.chars();
    let mut starts_word = false;
    for c in field.chars() {
        if c == '_' {
            starts_word = true;
            continue;
        }
        let expected = if starts_word { c.to_ascii_uppercase() } else { c };
        starts_word = false;
        if path.next() != Some(expected) {
            return false;
        }
    }
    path.next().is_none()
}

/// Whether a field of a message is populated on the wire.
pub trait Populated {
    /// Not empty, not 0, or present if it has presence.
    fn is_populated(&self) -> bool;
}

impl Populated for String {
    fn is_populated(&self) -> bool {
        !self.is_empty()
    }
}

impl<T> Populated for Vec<T> {
    fn is_populated(&self) -> bool {
        !self.is_empty()
    }
}

/// An enum.
impl Populated for i32 {
    fn is_populated(&self) -> bool {
        *self != 0
    }
}

/// An empty object counts as none.
impl Populated for Option<Struct> {
    fn is_populated(&self) -> bool {
        self.as_ref().is_some_and(|object| !object.fields.is_empty())
    }
}

macro_rules! populated_if_present {
    ($($type:ty),*) => {$(
        impl Populated for Option<$type> {
            fn is_populated(&self) -> bool {
                self.is_some()
            }
        }
    )*};
}

populated_if_present!(String, i32, i64, bool, Timestamp, Duration);

impl<A: Populated, B: Populated> Populated for (A, B) {
    fn is_populated(&self) -> bool {
        self.0.is_populated() || self.1.is_populated()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Error;
    use crate::json::to_struct;

    const CHANGEABLE: &[&str] = &["title", "due_at", "tags", "metadata"];

    fn mask(paths: &[&str]) -> Option<FieldMask> {
        Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
    }

    /// The changes of a resource with a title and without a time.
    fn changes(paths: &[&str]) -> (Option<String>, Option<Option<Timestamp>>, bool) {
        let mut v = Violations::within("task.");
        let mut mask = Mask::of(&mut v, mask(paths), CHANGEABLE);
        let title = mask.pick("title", "a".to_owned(), |title| title);
        let due_at = mask.pick("due_at", None::<Timestamp>, |due_at| due_at);
        v.finish().unwrap();
        (title, due_at, mask.has_changes())
    }

    fn violations(v: Violations) -> Vec<String> {
        let Err(Error::Invalid(found)) = v.finish() else { return Vec::new() };
        found.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn an_omitted_mask_changes_what_is_populated() {
        assert_eq!(changes(&[]), (Some("a".to_owned()), None, true));
    }

    #[test]
    fn a_star_changes_all_and_clears_what_is_not_populated() {
        assert_eq!(changes(&["*"]), (Some("a".to_owned()), Some(None), true));
    }

    #[test]
    fn a_mask_names_fields_in_either_case() {
        for path in ["due_at", "dueAt"] {
            assert_eq!(changes(&[path]), (None, Some(None), true), "{path}");
        }
        assert_eq!(changes(&["tags"]), (None, None, false));
    }

    #[test]
    fn unknown_paths_are_violations() {
        for path in ["id", "etag", "due_At", "DueAt", "metadata.a", "", "dueat", "due"] {
            let mut v = Violations::within("task.");
            Mask::of(&mut v, mask(&[path]), CHANGEABLE);
            assert_eq!(violations(v), ["update_mask"], "{path}");
        }
        let mut v = Violations::within("task.");
        Mask::of(&mut v, mask(&["title", "*"]), CHANGEABLE);
        assert_eq!(violations(v), ["update_mask"]);
    }

    #[test]
    fn populated_fields_are_validated_also_when_the_mask_does_not_name_them() {
        let mut v = Violations::within("task.");
        let mut mask = Mask::of(&mut v, mask(&["tags"]), CHANGEABLE);
        assert_eq!(mask.pick("title", "\0".to_owned(), |title| v.line("title", title, 1, 9)), None);
        assert_eq!(mask.pick("due_at", None::<Timestamp>, |_| panic!("nothing to validate")), None);
        assert!(violations(v).contains(&"task.title".to_owned()));
    }

    #[test]
    fn an_object_is_changed_whole_or_patched_but_not_both() {
        let patch = || Some(StructPatch { set: Some(to_struct(&json!({"b": 1}))), unset: Vec::new() });
        let whole = || Some(to_struct(&json!({"a": 1})));
        let picked = |paths: &[&str], value, patch| {
            let mut v = Violations::within("task.");
            let mut mask = Mask::of(&mut v, mask(paths), CHANGEABLE);
            let change = mask.pick_json(&mut v, "metadata", value, patch);
            (change.map(|change| change.apply(json!({"z": 0}))), mask.has_changes(), violations(v))
        };
        assert_eq!(picked(&[], whole(), None), (Some(json!({"a": 1})), true, vec![]));
        assert_eq!(picked(&["title"], None, patch()), (Some(json!({"z": 0, "b": 1})), true, vec![]));
        assert_eq!(picked(&[], None, Some(StructPatch::default())), (None, false, vec![]));
        assert_eq!(picked(&["metadata"], None, None), (Some(json!({})), true, vec![]));
        for paths in [&[][..], &["*"], &["metadata"]] {
            assert_eq!(picked(paths, whole(), patch()).2, ["metadata_patch"], "{paths:?}");
        }
    }
}
