//! Field masks (AIP-134): only named fields change. Of a field that is a JSON object, single entries can be named
//! (AIP-161): `preferences.theme`.

use prost_types::FieldMask;

use super::{MAX_JSON_DEPTH, Violations};

/// The fields that an update names.
#[derive(Debug, Default)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Reads a mask of these fields. A missing or empty mask names nothing; an unknown path is a violation.
    pub fn of(violations: &mut Violations, mask: Option<FieldMask>, known: &[&str]) -> Self {
        Self::with_entries(violations, mask, known, &[])
    }

    /// As [`Self::of`], also with paths into those of the fields that are JSON objects.
    pub fn with_entries(
        violations: &mut Violations,
        mask: Option<FieldMask>,
        known: &[&str],
        objects: &[&str],
    ) -> Self {
        let paths = mask.unwrap_or_default().paths;
        let is_entry = |path: &str| objects.iter().any(|object| entry(path, object).is_some_and(is_path));
        for path in paths.iter().filter(|path| !known.contains(&path.as_str()) && !is_entry(path)) {
            let shown: String = path.chars().take(100).collect();
            violations.absorb({
                let mut own = Violations::new();
                own.add("update_mask", format!("{shown:?} is not one of {}", known.join(", ")));
                own
            });
        }
        Self(paths)
    }

    /// Whether the mask names this field.
    pub fn names(&self, field: &str) -> bool {
        self.0.iter().any(|path| path == field)
    }

    /// The paths into this field that the mask names.
    pub fn entries_of<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |path| entry(path, field))
    }

    /// The value if the mask names its field, else nothing: "leave as it is".
    pub fn pick<T>(&self, field: &str, value: impl FnOnce() -> T) -> Option<T> {
        self.names(field).then(value)
    }

    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a path names in an object.
fn entry<'a>(path: &'a str, object: &str) -> Option<&'a str> {
    path.strip_prefix(object)?.strip_prefix('.')
}

fn is_path(text: &str) -> bool {
    text.split('.').all(|key| !key.is_empty()) && text.split('.').count() <= MAX_JSON_DEPTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_named_in_objects_only() {
        let paths = ["bio", "preferences.theme", "preferences.editor.tabs", "bio.x", "preferences.", "x.y"];
        let mask = FieldMask { paths: paths.map(str::to_owned).to_vec() };
        let mut v = Violations::new();
        let mask = Mask::with_entries(&mut v, Some(mask), &["bio", "preferences"], &["preferences"]);
        assert!(mask.names("bio") && !mask.names("preferences"));
        let entries: Vec<_> = mask.entries_of("preferences").filter(|path| !path.is_empty()).collect();
        assert_eq!(entries, ["theme", "editor.tabs"]);
        assert!(v.finish().is_err());
        for wrong in ["bio.x", "preferences.", "preferences.a..b", "x.y", "preferencesx", ""] {
            let mut v = Violations::new();
            let mask = FieldMask { paths: vec![wrong.to_owned()] };
            Mask::with_entries(&mut v, Some(mask), &["bio", "preferences"], &["preferences"]);
            assert!(v.finish().is_err(), "{wrong}");
        }
    }
}
