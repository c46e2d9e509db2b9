//! What the tail and the watchers of one feed share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::channels::Channels;
use crate::change_log::{Lag, Signal};
use crate::database::Database;
use crate::page::PageTokens;

pub(super) struct FeedState {
    pub(super) schema: &'static str,
    pub(super) worker: Database,
    pub(super) signal: Signal,
    pub(super) tokens: PageTokens,
    pub(super) shutdown: CancellationToken,
    pub(super) channels: Mutex<Channels>,
    /// Of the tail; idle while nobody watches.
    pub(super) lag: Lag,
}

impl FeedState {
    pub(super) fn channels(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
