//! What follows the events of all services.

use shared::change_log::Signal;
use shared::database::Transaction;
use shared::error::Result;

use super::SuiteEvent;
use crate::notifications::fan_out;
use crate::webhooks::FanOut;

/// Applies events; cheap to clone.
#[derive(Clone)]
pub(crate) struct EventConsumers {
    /// Wakes those who watch inboxes.
    pub signal: Signal,
    pub webhooks: FanOut,
}

impl EventConsumers {
    /// Applies a batch in the worker's transaction that moves the position behind it. An error rolls all of it back; the
    /// batch comes again.
    pub(crate) async fn apply(&self, tx: &Transaction, events: &[SuiteEvent]) -> Result<()> {
        fan_out::apply(tx, events).await?;
        self.webhooks.apply(tx, events).await
    }

    /// Wakes what waits for the effects of a batch, after it was committed.
    pub(crate) fn wake(&self) {
        self.signal.announce();
        self.webhooks.wake();
    }
}
