//! The part of an upload that is in memory until it is written.

use prost::bytes::{Buf, Bytes};
use shared::server::HeldBytes;
use uuid::Uuid;

use super::digest::RunningDigest;

/// Bytes of each part but the last one of a file: what an upload keeps in memory and may lose in a crash.
pub const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Prefix of the paths of parts.
pub const PARTS_PREFIX: &str = "parts";

pub(super) fn path_of(part: Uuid) -> String {
    format!("{PARTS_PREFIX}/{part}")
}

/// A part that is not full. It may begin before the committed offset: a short last part is written again with more
/// bytes, so that a file has few parts even if its upload was interrupted often.
pub(super) struct PartBuffer {
    /// Id of the part, which is registered.
    pub(super) part: Uuid,
    /// Offset of its first byte in the file.
    pub(super) start: u64,
    /// How many bytes of the file are stored.
    pub(super) committed: u64,
    pub(super) bytes: Vec<u8>,
    /// Counts the capacity of `bytes` as bytes in flight until the part is stored.
    pub(super) held: HeldBytes,
    /// Of all bytes of the file up to the end of this part.
    pub(super) digest: RunningDigest,
}

impl PartBuffer {
    /// Offset of the next byte in the file.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    pub(super) fn has_unstored_bytes(&self) -> bool {
        self.end() > self.committed
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() as u64 >= PART_BYTES
    }

    /// The capacity of `bytes` with a chunk. It doubles when it grows, but never exceeds a full part.
    pub(super) fn capacity_with(&self, chunk: &Bytes) -> usize {
        let full = usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
        let (needed, capacity) =
            (self.bytes.len().saturating_add(chunk.len()).min(full), self.bytes.capacity());
        if needed <= capacity { capacity } else { capacity.saturating_mul(2).min(full).max(needed) }
    }

    /// Moves bytes of the chunk into the part until it is full.
    pub(super) fn fill_from(&mut self, chunk: &mut Bytes) {
        self.bytes.reserve_exact(self.capacity_with(chunk).saturating_sub(self.bytes.len()));
        let full = usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
        let count = full.saturating_sub(self.bytes.len()).min(chunk.len());
        let bytes = chunk.get(..count).unwrap_or_default();
        self.digest.update(bytes);
        self.bytes.extend_from_slice(bytes);
        chunk.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_filled_and_the_rest_of_the_chunk_left() {
        let mut part = PartBuffer {
            part: Uuid::nil(),
            start: PART_BYTES,
            committed: PART_BYTES + 3,
            bytes: b"abc".to_vec(),
            held: HeldBytes::default(),
            digest: RunningDigest::default(),
        };
        assert!(!part.has_unstored_bytes() && !part.is_full());
        let mut chunk = Bytes::from(vec![7; usize::try_from(PART_BYTES).unwrap()]);
        part.fill_from(&mut chunk);
        assert_eq!(chunk.len(), 3);
        assert!(part.has_unstored_bytes() && part.is_full());
        assert_eq!(part.end(), 2 * PART_BYTES);
    }
}
