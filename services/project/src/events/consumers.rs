//! What follows the events of all services.

use shared::database::Transaction;
use shared::error::Result;

use super::SuiteEvent;
use crate::webhooks::FanOut;

/// Applies events; cheap to clone.
#[derive(Clone)]
pub(crate) struct EventConsumers {
    pub webhooks: FanOut,
}

impl EventConsumers {
    /// Applies a batch in the worker's transaction that moves the position behind it. An error rolls all of it back; the
    /// batch comes again.
    pub(crate) async fn apply(&self, tx: &Transaction, events: &[SuiteEvent]) -> Result<()> {
        self.webhooks.apply(tx, events).await
    }

    /// Wakes what waits for the effects of a batch, after it was committed.
    pub(crate) fn wake(&self) {
        self.webhooks.wake();
    }
}
