//! Field masks (AIP-134): only named fields change.

use prost_types::FieldMask;

use super::Violations;

/// The fields that an update names.
#[derive(Debug, Default)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Reads a mask of these fields. A missing or empty mask names nothing; an unknown path is a violation.
    pub fn of(violations: &mut Violations, mask: Option<FieldMask>, known: &[&str]) -> Self {
        let paths = mask.unwrap_or_default().paths;
        for path in paths.iter().filter(|path| !known.contains(&path.as_str())) {
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

    /// The value if the mask names its field, else nothing: "leave as it is".
    pub fn pick<T>(&self, field: &str, value: impl FnOnce() -> T) -> Option<T> {
        self.names(field).then(value)
    }

    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
