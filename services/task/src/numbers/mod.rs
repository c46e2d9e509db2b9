//! The names that people use for tasks: a project's key and a number in it, as `DAF-42`.

mod queries;
pub(crate) mod rpc;
mod wire;

use std::fmt;
use std::str::FromStr;

/// Longest key of a project, in characters.
const MAX_PROJECT_KEY_CHARS: usize = 10;
/// Largest number of a task.
pub(crate) const MAX_NUMBER: i64 = 999_999_999_999;

/// The name of a task. It is copied freely, so it holds its letters itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskKey {
    /// Padded with zeros.
    project: [u8; MAX_PROJECT_KEY_CHARS],
    number: i64,
}

/// Why a text is no name of a task.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotATaskKey;

impl TaskKey {
    /// The project's part.
    pub(crate) fn project(&self) -> String {
        self.project.iter().take_while(|letter| **letter != 0).map(|letter| char::from(*letter)).collect()
    }

    /// The task's part.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }
}

/// Whether this may be the key of a project: 2 to 10 capitals and digits, a capital first.
pub(crate) fn is_project_key(text: &str) -> bool {
    (2..=MAX_PROJECT_KEY_CHARS).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}

impl FromStr for TaskKey {
    type Err = NotATaskKey;

    /// Reads `DAF-42`; small letters count as capitals.
    fn from_str(text: &str) -> Result<Self, NotATaskKey> {
        let (key, digits) = text.split_once('-').ok_or(NotATaskKey)?;
        let key = key.to_ascii_uppercase();
        let is_number = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
        let number: i64 = digits.parse().map_err(|_| NotATaskKey)?;
        if !is_project_key(&key) || !is_number || number > MAX_NUMBER {
            return Err(NotATaskKey);
        }
        let mut project = [0; MAX_PROJECT_KEY_CHARS];
        project.iter_mut().zip(key.bytes()).for_each(|(place, letter)| *place = letter);
        Ok(Self { project, number })
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.project(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_name_is_told() {
        for text in
            ["", "DAF", "DAF-", "-1", "D-1", "DAF-0", "DAF-01", "DAF-+1", "1AF-1", "DÄF-1", "ABCDEFGHIJK-1"]
        {
            assert_eq!(text.parse::<TaskKey>(), Err(NotATaskKey), "{text}");
        }
        assert_eq!("DAF-1000000000000".parse::<TaskKey>(), Err(NotATaskKey));
    }

    proptest! {
        #[test]
        fn a_name_reads_as_it_is_written(text in "[A-Z][A-Z0-9]{1,9}-[1-9][0-9]{0,11}") {
            let key: TaskKey = text.parse().unwrap();
            prop_assert_eq!(key.to_string(), text.clone());
            prop_assert_eq!(text.to_ascii_lowercase().parse::<TaskKey>(), Ok(key));
        }
    }
}
