//! SHA-256 whose state is stored, so that any process can continue an upload.

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha256};
use shared::error::{Error, Result};

#[derive(Clone, Default)]
pub(super) struct RunningDigest(Sha256);

impl RunningDigest {
    /// From a stored state; `None` before the first byte.
    pub(super) fn restore(state: Option<&[u8]>) -> Result<Self> {
        let Some(state) = state else { return Ok(Self::default()) };
        let state = SerializedState::<Sha256>::try_from(state).map_err(Error::internal)?;
        Ok(Self(Sha256::deserialize(&state).map_err(|e| Error::internal(e.to_string()))?))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The state to store.
    pub(super) fn state(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    /// The hash in lower-case hexadecimal.
    pub(super) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_digest_continues() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| n as u8).collect();
        for cut in [0, 1, 63, 64, 65, 999, 1000] {
            let mut before = RunningDigest::default();
            before.update(&bytes[..cut]);
            let mut after = RunningDigest::restore(Some(&before.state())).unwrap();
            after.update(&bytes[cut..]);
            assert_eq!(after.finish(), hex::encode(Sha256::digest(&bytes)));
        }
        assert!(RunningDigest::restore(Some(b"short")).is_err());
    }
}
