//! Follows the log of a service.

use std::time::Duration;

use futures::StreamExt;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use shared::change_log::Lag;
use shared::error::{Error, Result};
use shared::service::ServiceContext;
use shared::telemetry;
use tokio::time::Instant;
use uuid::Uuid;

use super::EventConsumers;
use super::positions;
use super::source::{EventLog, SuiteBatch, SuiteBatches};
use crate::schema::NAME;

/// A log sends a heartbeat every second.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// How often to look whether the replica that holds a position has ended.
const STANDBY_INTERVAL: Duration = Duration::from_secs(2);
/// How often a position is stored if nothing but it changes, which renews the hold on it.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(8);

struct Follower {
    context: ServiceContext,
    consumers: EventConsumers,
    log: EventLog,
    /// This replica.
    holder: Uuid,
    lag: Lag,
    expired: Counter<u64>,
}

/// The position of a follower.
struct Position {
    cursor: String,
    stored_at: Instant,
}

/// Follows the logs of all services until shutdown.
pub(crate) fn spawn(context: &ServiceContext, consumers: &EventConsumers) {
    let expired = telemetry::meter()
        .u64_counter("dafnck.change_feed.expired")
        .with_description(
            "Times a follower of a change feed had to leave out changes that are no longer kept.",
        )
        .with_unit("{time}")
        .build();
    let holder = Uuid::now_v7();
    for log in EventLog::ALL {
        // So that a dashboard has it before anything is left out.
        expired.add(0, &labels(log));
        let follower = Follower {
            context: context.clone(),
            consumers: consumers.clone(),
            log,
            holder,
            lag: Lag::measured(NAME, log.feed()),
            expired: expired.clone(),
        };
        context.spawn(follower.run());
    }
}

fn labels(log: EventLog) -> [KeyValue; 2] {
    [KeyValue::new("feed", log.feed()), KeyValue::new("consumer", NAME)]
}

impl Follower {
    async fn run(self) {
        let shutdown = &self.context.shutdown;
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => {}
                outcome = self.follow() => if let Err(error) = outcome {
                    tracing::debug!(feed = self.log.feed(), %error, "a feed of events ended");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(RETRY_DELAY) => {}
            }
        }
        if let Err(error) = positions::release(&self.context.worker, self.log.feed(), self.holder).await {
            tracing::debug!(feed = self.log.feed(), %error, "the position is held until it expires");
        }
    }

    /// Follows until the stream or the hold on the position ends.
    async fn follow(&self) -> Result<()> {
        let feed = self.log.feed();
        let Some(cursor) = positions::acquire(&self.context.worker, feed, self.holder).await? else {
            self.lag.mark_idle();
            tokio::time::sleep(STANDBY_INTERVAL).await;
            return Ok(());
        };
        let mut position = Position { cursor, stored_at: Instant::now() };
        let mut batches = self.open(&position.cursor).await?;
        loop {
            let next = tokio::time::timeout(IDLE_TIMEOUT, batches.next()).await;
            let Some(batch) = next.map_err(|_| Error::DeadlineExceeded)? else { return Ok(()) };
            let batch = batch?;
            if !batch.events.is_empty() || position.stored_at.elapsed() >= RENEWAL_INTERVAL {
                self.apply(&mut position, &batch).await?;
            }
            if batch.is_caught_up {
                self.lag.mark_caught_up();
            }
        }
    }

    /// Opens the log. A position that has expired, as after a restored backup, is left for the end of the log: nobody knows
    /// which changes are missing, and those that are kept may have taken effect before.
    async fn open(&self, cursor: &str) -> Result<SuiteBatches> {
        match self.log.open(&self.context, cursor, false).await {
            Err(Error::CursorExpired) => {
                let feed = self.log.feed();
                tracing::warn!(feed, "the position has expired; events until now are left out");
                self.expired.add(1, &labels(self.log));
                self.log.open(&self.context, "", true).await
            }
            opened => opened,
        }
    }

    /// Applies a batch and moves the position, in one transaction.
    async fn apply(&self, position: &mut Position, batch: &SuiteBatch) -> Result<()> {
        let tx = self.context.worker.begin_background().await?;
        let step = (position.cursor.as_str(), batch.cursor.as_str());
        if !positions::advance(&tx, self.log.feed(), self.holder, step).await? {
            return Err(Error::unavailable("feed", "another replica follows"));
        }
        if !batch.events.is_empty() {
            self.consumers.apply(&tx, &batch.events).await?;
        }
        tx.commit().await?;
        *position = Position { cursor: batch.cursor.clone(), stored_at: Instant::now() };
        if !batch.events.is_empty() {
            self.consumers.wake();
        }
        Ok(())
    }
}
