//! The manual order of a project's tasks. The database computes ranks, because it sees the neighbours.

mod queries;
pub(crate) mod rpc;
mod wire;

use uuid::Uuid;

const WHOLE_DIGITS: usize = 12;
const MAX_FRACTION_CHARS: usize = 52;

pub(crate) fn initial_rank(number: i64) -> String {
    format!("{number:0WHOLE_DIGITS$}")
}

/// Whether a task with this number may have this rank. A rank without a fraction must be the task's own, so that it
/// never collides with the rank of a new task.
pub(crate) fn may_have_rank(number: i64, rank: &str) -> bool {
    let Some((whole, fraction)) = rank.split_at_checked(WHOLE_DIGITS) else { return false };
    let is_whole = whole.bytes().all(|digit| digit.is_ascii_digit());
    let is_fraction = fraction.len() <= MAX_FRACTION_CHARS
        && fraction.bytes().all(|digit| digit.is_ascii_alphanumeric())
        && !fraction.ends_with('0');
    is_whole && is_fraction && (!fraction.is_empty() || rank == initial_rank(number))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Before(Uuid),
    After(Uuid),
}

impl Destination {
    fn anchor(self) -> Uuid {
        match self {
            Self::Before(anchor) | Self::After(anchor) => anchor,
        }
    }

    fn is_after(self) -> bool {
        matches!(self, Self::After(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_without_a_fraction_must_be_the_tasks_own() {
        assert_eq!(initial_rank(42), "000000000042");
        for (rank, may) in [
            ("000000000042", true),
            ("000000000043", false),
            ("000000000043V", true),
            ("000000000043V0", false),
            ("00000000042", false),
            ("00000000004xV", false),
            ("000000000042-", false),
            ("00000000004ä", false),
        ] {
            assert_eq!(may_have_rank(42, rank), may, "{rank}");
        }
        assert!(!may_have_rank(1, &format!("{}{}", initial_rank(1), "z".repeat(MAX_FRACTION_CHARS + 1))));
    }
}
