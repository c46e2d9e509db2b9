//! Open streams by the tokens that opened them: a stream ends with its token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::TokenHash;

/// The streams of this process; the server limits their number.
#[derive(Clone, Default)]
pub(super) struct OpenStreams(Arc<Mutex<HashMap<TokenHash, Streams>>>);

/// The streams of one token.
#[derive(Default)]
struct Streams {
    ended: CancellationToken,
    count: usize,
}

/// An open stream; dropped when it ends.
pub(super) struct OpenStream {
    streams: OpenStreams,
    token: TokenHash,
    ended: CancellationToken,
}

impl OpenStreams {
    /// Registers a stream that opens.
    pub(super) fn register(&self, token: TokenHash) -> OpenStream {
        let mut all = self.lock();
        let streams = all.entry(token).or_default();
        streams.count += 1;
        OpenStream { streams: self.clone(), token, ended: streams.ended.clone() }
    }

    /// Ends the streams of a token.
    pub(super) fn end(&self, token: &TokenHash) {
        if let Some(streams) = self.lock().get(token) {
            streams.ended.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Streams>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStream {
    /// Waits until the token has ended.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut all = self.streams.lock();
        if let Some(streams) = all.get_mut(&self.token) {
            streams.count -= 1;
            if streams.count == 0 {
                all.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::authentication::token_hash;

    #[test]
    fn streams_end_with_their_token_and_leave_nothing_behind() {
        let [olgas, gus] = ["olga", "gus"].map(token_hash);
        let streams = OpenStreams::default();
        let open = [streams.register(olgas), streams.register(olgas), streams.register(gus)];
        streams.end(&olgas);
        assert_eq!(open.each_ref().map(|s| s.ended().now_or_never().is_some()), [true, true, false]);
        drop(open);
        assert!(streams.lock().is_empty());
    }
}
