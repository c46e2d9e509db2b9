//! How far the followers of change feeds lag behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;

use crate::telemetry;

/// Stored instead of a time: the follower has never caught up.
const NEVER: u64 = 0;
/// Stored instead of a time: nobody needs to follow at present.
const IDLE: u64 = u64::MAX;

/// When a follower of a feed had last caught up.
#[derive(Clone, Debug)]
pub struct Lag {
    started: Instant,
    /// In milliseconds from `started`.
    caught_up: Arc<AtomicU64>,
}

impl Lag {
    /// The lag of a service behind a feed, exported as the metric `dafnck.change_feed.lag`.
    pub fn measured(consumer: &'static str, feed: &'static str) -> Self {
        let lag = Self { started: Instant::now(), caught_up: Arc::new(AtomicU64::new(NEVER)) };
        let observed = lag.clone();
        let names = [KeyValue::new("feed", feed), KeyValue::new("consumer", consumer)];
        telemetry::meter()
            .f64_observable_gauge("dafnck.change_feed.lag")
            .with_description("Time since a follower of a change feed had last caught up.")
            .with_unit("s")
            .with_callback(move |observer| {
                if let Some(behind) = observed.behind() {
                    observer.observe(behind.as_secs_f64(), &names);
                }
            })
            .build();
        lag
    }

    /// The follower has caught up.
    pub fn mark_caught_up(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(IDLE);
        self.caught_up.store(now.clamp(NEVER + 1, IDLE - 1), Ordering::Relaxed);
    }

    /// The follower starts over from a snapshot.
    pub fn reset(&self) {
        self.caught_up.store(NEVER, Ordering::Relaxed);
    }

    /// Nobody needs to follow until [`Self::mark_caught_up`].
    pub fn mark_idle(&self) {
        self.caught_up.store(IDLE, Ordering::Relaxed);
    }

    /// Whether the follower had caught up no longer ago than this.
    pub fn is_within(&self, limit: Duration) -> bool {
        self.caught_up.load(Ordering::Relaxed) != NEVER && self.behind().is_some_and(|behind| behind <= limit)
    }

    /// Time since the follower had caught up, or since the start if it never has; `None` while idle.
    fn behind(&self) -> Option<Duration> {
        let caught_up = self.caught_up.load(Ordering::Relaxed);
        let is_followed = caught_up != IDLE;
        is_followed.then(|| self.started.elapsed().saturating_sub(Duration::from_millis(caught_up)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_follower_that_never_caught_up_lags_since_the_start_and_an_idle_one_does_not() {
        let mut lag = Lag::measured("test", "test");
        lag.started -= 60 * SECOND;
        assert!(lag.behind().unwrap() >= 60 * SECOND && !lag.is_within(100 * SECOND));
        lag.mark_caught_up();
        assert!(lag.is_within(SECOND));
        lag.started -= 10 * SECOND;
        assert!(lag.behind().unwrap() >= 10 * SECOND && !lag.is_within(SECOND) && lag.is_within(20 * SECOND));
        lag.mark_idle();
        assert_eq!(lag.behind(), None);
        lag.reset();
        assert!(lag.behind().unwrap() >= 70 * SECOND && !lag.is_within(100 * SECOND));
    }
}
