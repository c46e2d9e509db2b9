//! The part of an upload that is being gathered, before it is written.

use prost::bytes::{Buf, Bytes};
use uuid::Uuid;

use super::digest::RunningDigest;

/// Bytes of a part, except for the last one of a file: what an upload holds in memory, and may lose in a crash.
pub const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Folder of the store in which parts are.
pub const PARTS_FOLDER: &str = "parts";

/// The name of a part in the store.
pub(super) fn path_of(part: Uuid) -> String {
    format!("{PARTS_FOLDER}/{part}")
}

/// A part in the making. It may begin before the committed offset: a short part is written anew, longer, so that a file
/// has few parts however often its upload was cut.
pub(super) struct Gathering {
    /// Key of the part; its row is there.
    pub(super) part: Uuid,
    /// Of its first byte in the file.
    pub(super) start: u64,
    /// Up to where the file is stored.
    pub(super) committed: u64,
    /// The part's bytes so far.
    pub(super) bytes: Vec<u8>,
    /// Of all bytes of the file so far.
    pub(super) digest: RunningDigest,
}

impl Gathering {
    /// Of the next byte in the file.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    /// Whether there are bytes that are not stored.
    pub(super) fn has_news(&self) -> bool {
        self.end() > self.committed
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() as u64 >= PART_BYTES
    }

    /// Takes as much of the chunk as there is room for.
    pub(super) fn take(&mut self, chunk: &mut Bytes) {
        let full = usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
        let count = full.saturating_sub(self.bytes.len()).min(chunk.len());
        let taken = chunk.get(..count).unwrap_or_default();
        // Doubling beyond a full part would only waste memory.
        let needed = self.bytes.len().saturating_add(count);
        let wanted = self.bytes.capacity().saturating_mul(2).min(full).max(needed);
        self.bytes.reserve_exact(wanted.saturating_sub(self.bytes.len()));
        self.digest.update(taken);
        self.bytes.extend_from_slice(taken);
        chunk.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_takes_what_it_has_room_for() {
        let mut part = Gathering {
            part: Uuid::nil(),
            start: PART_BYTES,
            committed: PART_BYTES + 3,
            bytes: b"abc".to_vec(),
            digest: RunningDigest::default(),
        };
        assert!(!part.has_news() && !part.is_full());
        let mut chunk = Bytes::from(vec![7; usize::try_from(PART_BYTES).unwrap()]);
        part.take(&mut chunk);
        assert_eq!(chunk.len(), 3);
        assert!(part.has_news() && part.is_full());
        assert_eq!(part.end(), 2 * PART_BYTES);
    }
}
