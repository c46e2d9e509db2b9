//! Signatures that this process has accepted: none is accepted twice.

use std::collections::HashSet;
use std::mem;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How far the clocks of two services may be apart.
pub const CLOCK_TOLERANCE_SECONDS: u64 = 60;

/// The part of a signature that is remembered. It is the image of a hash over the key and the signed text, so that two
/// signatures of different calls have the same with a probability of 2⁻⁶⁴.
type Mark = [u8; 8];

/// Marks that a process remembers of each [`WINDOW`], so that their memory is bounded: 8,000 calls per second.
const MAX_MARKS: usize = 1_000_000;
/// How long a signature can be accepted, which is twice the tolerance of clocks, and a second for rounding.
const WINDOW: Duration = Duration::from_secs(2 * CLOCK_TOLERANCE_SECONDS + 1);

/// Of the whole process: several ports accept the same signatures, each service's own and the one of all services.
static ACCEPTED: LazyLock<Mutex<AcceptedMarks>> =
    LazyLock::new(|| Mutex::new(AcceptedMarks::new(Instant::now())));

/// The marks of this window and of the one before.
struct AcceptedMarks {
    began: Instant,
    current: HashSet<Mark>,
    former: HashSet<Mark>,
}

/// Whether a signature that was verified is new; from now on it is not. Full memory refuses rather than forget.
pub(super) fn is_new(signature: &[u8]) -> bool {
    let mark = signature.first_chunk().copied().unwrap_or_default();
    ACCEPTED.lock().unwrap_or_else(PoisonError::into_inner).insert(mark, Instant::now())
}

impl AcceptedMarks {
    fn new(began: Instant) -> Self {
        Self { began, current: HashSet::new(), former: HashSet::new() }
    }

    fn insert(&mut self, mark: Mark, now: Instant) -> bool {
        let windows = now.duration_since(self.began).as_secs() / WINDOW.as_secs();
        if windows > 0 {
            let last = mem::take(&mut self.current);
            self.former = if windows == 1 { last } else { HashSet::new() };
            self.began = now;
        }
        self.current.len() < MAX_MARKS && !self.former.contains(&mark) && self.current.insert(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_remembered_for_one_window_at_least_and_two_at_most() {
        let start = Instant::now();
        let mut accepted = AcceptedMarks::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(accepted.insert([1; 8], at(120)));
        assert!(!accepted.insert([1; 8], at(120)));
        assert!(!accepted.insert([1; 8], at(241)));
        assert!(accepted.insert([2; 8], at(241)));
        // More than two windows later.
        assert!(accepted.insert([1; 8], at(500)));
        assert_eq!((accepted.current.len(), accepted.former.len()), (1, 0));
    }
}
