//! Task keys, the names that people use: the key of the project and the task's number, like `DAF-42`.

mod rpc;

use std::fmt;
use std::str::FromStr;

use shared::validation::{MAX_PROJECT_KEY_CHARS, is_project_key};

pub(crate) const MAX_NUMBER: i64 = 999_999_999_999;

/// Holds its characters inline, so that it is `Copy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskKey {
    /// Padded with zero bytes.
    project: [u8; MAX_PROJECT_KEY_CHARS],
    number: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParseTaskKeyError;

impl TaskKey {
    fn project(&self) -> String {
        self.project.iter().take_while(|letter| **letter != 0).map(|letter| char::from(*letter)).collect()
    }
}

impl FromStr for TaskKey {
    type Err = ParseTaskKeyError;

    /// Parses `DAF-42`, in upper or lower case.
    fn from_str(text: &str) -> Result<Self, ParseTaskKeyError> {
        let (key, digits) = text.split_once('-').ok_or(ParseTaskKeyError)?;
        let key = key.to_ascii_uppercase();
        let is_number = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
        let number: i64 = digits.parse().map_err(|_| ParseTaskKeyError)?;
        if !is_project_key(&key) || !is_number || number > MAX_NUMBER {
            return Err(ParseTaskKeyError);
        }
        let mut project = [0; MAX_PROJECT_KEY_CHARS];
        project.iter_mut().zip(key.bytes()).for_each(|(index, letter)| *index = letter);
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
    fn malformed_task_keys_are_refused() {
        for text in
            ["", "DAF", "DAF-", "-1", "D-1", "DAF-0", "DAF-01", "DAF-+1", "1AF-1", "DÄF-1", "ABCDEFGHIJK-1"]
        {
            assert_eq!(text.parse::<TaskKey>(), Err(ParseTaskKeyError), "{text}");
        }
        assert_eq!("DAF-1000000000000".parse::<TaskKey>(), Err(ParseTaskKeyError));
    }

    proptest! {
        #[test]
        fn task_keys_round_trip(text in "[A-Z][A-Z0-9]{1,9}-[1-9][0-9]{0,11}") {
            let key: TaskKey = text.parse().unwrap();
            prop_assert_eq!(key.to_string(), text.clone());
            prop_assert_eq!(text.to_ascii_lowercase().parse::<TaskKey>(), Ok(key));
        }
    }
}
