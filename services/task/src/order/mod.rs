//! The order in which people want a project's tasks to be. The database makes the ranks: it sees the neighbours.

mod queries;
pub(crate) mod rpc;
mod wire;

use uuid::Uuid;

/// Digits before the fraction of a rank.
const WHOLE_DIGITS: usize = 12;
/// Longest fraction of a rank, in characters.
const MAX_FRACTION_CHARS: usize = 52;

/// The rank of a task that was never moved.
pub(crate) fn initial_rank(number: i64) -> String {
    format!("{number:0WHOLE_DIGITS$}")
}

/// Whether the task of this number may have this rank: one without a fraction is its own, so that it is in no other
/// task's way.
pub(crate) fn may_have_rank(number: i64, rank: &str) -> bool {
    let Some((whole, fraction)) = rank.split_at_checked(WHOLE_DIGITS) else { return false };
    let is_whole = whole.bytes().all(|digit| digit.is_ascii_digit());
    let is_fraction = fraction.len() <= MAX_FRACTION_CHARS
        && fraction.bytes().all(|digit| digit.is_ascii_alphanumeric())
        && !fraction.ends_with('0');
    is_whole && is_fraction && (!fraction.is_empty() || rank == initial_rank(number))
}

/// Where a task goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Right before this one.
    Before(Uuid),
    /// Right behind this one.
    Behind(Uuid),
}

impl Destination {
    /// The task beside which it goes.
    fn anchor(self) -> Uuid {
        match self {
            Self::Before(anchor) | Self::Behind(anchor) => anchor,
        }
    }

    fn is_behind(self) -> bool {
        matches!(self, Self::Behind(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_without_a_fraction_is_the_own_number() {
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
