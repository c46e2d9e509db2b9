//! Where a range of a text is in another version of it.

use std::ops::Range;
use std::time::Instant;

use super::{Segments, changes};

/// A part that both texts have.
struct Block {
    old: Range<usize>,
    /// Its beginning in the new text.
    new: usize,
}

/// A comparison of two texts, for any number of ranges.
pub struct RangeMap<'a> {
    old: &'a str,
    new: &'a str,
    blocks: Vec<Block>,
}

impl<'a> RangeMap<'a> {
    /// After the deadline fewer places are found, never wrong ones.
    pub fn between(old: &'a str, new: &'a str, deadline: Instant) -> Self {
        Self { old, new, blocks: common_blocks(old, new, deadline) }
    }

    /// The range of the new text that has the text of a range of the old one, all in bytes: at its place among unchanged
    /// words, or at the only place where the same text is. `None` if there is no such place.
    pub fn map(&self, range: Range<usize>) -> Option<Range<usize>> {
        let text = self.old.get(range.clone())?;
        let is_around = |block: &&Block| block.old.start <= range.start && range.end <= block.old.end;
        let start = match self.blocks.iter().find(is_around) {
            Some(block) => block.new + (range.start - block.old.start),
            None => only_place(self.new, text)?,
        };
        Some(start..start + range.len())
    }
}

fn only_place(new: &str, text: &str) -> Option<usize> {
    let mut places = new.match_indices(text).map(|(place, _)| place);
    let first = places.next();
    first.filter(|_| places.next().is_none())
}

/// The parts that both texts have: unchanged lines, and unchanged words of changed lines.
fn common_blocks(old: &str, new: &str, deadline: Instant) -> Vec<Block> {
    let (from, to) = (Segments::lines(old), Segments::lines(new));
    let mut blocks = Vec::new();
    let (mut old_at, mut new_at) = (0, 0);
    for change in changes(&from, &to, deadline) {
        let (old_lines, new_lines) = (from.slice(change.base.clone()), to.slice(change.side.clone()));
        let old_start = from.slice(0..change.base.start).len();
        let new_start = to.slice(0..change.side.start).len();
        add(&mut blocks, old_at..old_start, new_at);
        add_common_words(&mut blocks, (old_lines, old_start), (new_lines, new_start), deadline);
        (old_at, new_at) = (old_start + old_lines.len(), new_start + new_lines.len());
    }
    add(&mut blocks, old_at..old.len(), new_at);
    blocks
}

/// The texts come with their places.
fn add_common_words(
    blocks: &mut Vec<Block>,
    (old, old_start): (&str, usize),
    (new, new_start): (&str, usize),
    deadline: Instant,
) {
    let (from, to) = (Segments::words(old), Segments::words(new));
    let (mut old_at, mut new_at) = (0, 0);
    for change in changes(&from, &to, deadline) {
        let start = from.slice(0..change.base.start).len();
        add(blocks, old_start + old_at..old_start + start, new_start + new_at);
        old_at = from.slice(0..change.base.end).len();
        new_at = to.slice(0..change.side.end).len();
    }
    add(blocks, old_start + old_at..old_start + old.len(), new_start + new_at);
}

/// Adds a block; one that continues the last in both texts becomes a part of it.
fn add(blocks: &mut Vec<Block>, old: Range<usize>, new: usize) {
    if old.is_empty() {
        return;
    }
    match blocks.last_mut() {
        Some(last) if last.old.end == old.start && last.new + last.old.len() == new => last.old.end = old.end,
        _ => blocks.push(Block { old, new }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::{far_deadline, text};
    use super::*;

    fn map_range(old: &str, new: &str, range: Range<usize>, deadline: Instant) -> Option<Range<usize>> {
        RangeMap::between(old, new, deadline).map(range)
    }

    fn moved(old: &str, new: &str, quote: &str) -> Option<usize> {
        let start = old.find(quote).unwrap();
        map_range(old, new, start..start + quote.len(), far_deadline()).map(|range| range.start)
    }

    #[test]
    fn a_range_stays_with_its_words() {
        let old = "one\ntwo words\nthree words\n";
        assert_eq!(moved(old, old, "words"), Some(8));
        assert_eq!(moved(old, "zero\none\ntwo words\nthree words\n", "words"), Some(13));
        assert_eq!(moved(old, "one\ntwo good words\nthree words\n", "words"), Some(13));
        assert_eq!(moved(old, "one\ntwo words\nthree words and more\n", "words\nthree"), Some(8));
    }

    #[test]
    fn a_range_that_is_changed_has_no_place_unless_its_text_is_in_one_place() {
        let old = "one\ntwo words\nthree\n";
        assert_eq!(moved(old, "one\ntwo wards\nthree\n", "words"), None);
        assert_eq!(moved(old, "three\none\nfour, then two words\n", "two words"), Some(21));
        assert_eq!(moved("a b\nx\n", "x\ny a b\nz a b\n", "a b\n"), None);
        assert_eq!(moved(old, "", "two"), None);
    }

    proptest! {
        #[test]
        fn a_moved_range_has_the_same_text(old in text(), new in text(), start in 0..40_usize, length in 1..10_usize) {
            let range = start..start + length;
            if let Some(quote) = old.get(range.clone()) {
                let found = map_range(&old, &new, range.clone(), far_deadline());
                prop_assert!(found.is_none_or(|found| new.get(found) == Some(quote)));
                prop_assert_eq!(map_range(&old, &old, range.clone(), far_deadline()), Some(range));
            }
        }
    }
}
