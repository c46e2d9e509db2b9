//! Keys of projects, with which the keys of their tasks begin.

/// Longest key of a project, in characters.
pub const MAX_PROJECT_KEY_CHARS: usize = 10;

/// Whether a text can be the key of a project: 2 to 10 capital letters and digits, a letter first.
pub fn is_project_key(text: &str) -> bool {
    (2..=MAX_PROJECT_KEY_CHARS).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_capital_letters_and_digits() {
        for good in ["AP", "APO", "A1", "ABCDEFGHIJ"] {
            assert!(is_project_key(good), "{good}");
        }
        for bad in ["", "A", "apo", "1AP", "A-B", "ABCDEFGHIJK", "ÄPO"] {
            assert!(!is_project_key(bad), "{bad}");
        }
    }
}
