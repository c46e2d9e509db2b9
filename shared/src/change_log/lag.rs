//! How far the followers of change feeds are behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;

use crate::telemetry;

/// Instead of a moment: it never had nothing left to take over.
const NEVER: u64 = 0;
/// Instead of a moment: nobody is to follow at present.
const AT_REST: u64 = u64::MAX;

/// When a follower last had nothing left to take over.
#[derive(Clone, Debug)]
pub struct Lag {
    started: Instant,
    /// In milliseconds from `started`.
    caught_up: Arc<AtomicU64>,
}

impl Lag {
    /// Of a service behind a feed, from now on, measured as `dafnck.change_feed.lag`.
    pub fn measured(consumer: &'static str, feed: &'static str) -> Self {
        let lag = Self { started: Instant::now(), caught_up: Arc::new(AtomicU64::new(NEVER)) };
        let observed = lag.clone();
        let names = [KeyValue::new("feed", feed), KeyValue::new("consumer", consumer)];
        telemetry::meter()
            .f64_observable_gauge("dafnck.change_feed.lag")
            .with_description("How long ago a follower of a change feed last had nothing left to take over.")
            .with_unit("s")
            .with_callback(move |observer| {
                if let Some(behind) = observed.behind() {
                    observer.observe(behind.as_secs_f64(), &names);
                }
            })
            .build();
        lag
    }

    /// Nothing is left to take over.
    pub fn catch_up(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(AT_REST);
        self.caught_up.store(now.clamp(NEVER + 1, AT_REST - 1), Ordering::Relaxed);
    }

    /// Everything is left to take over.
    pub fn start_over(&self) {
        self.caught_up.store(NEVER, Ordering::Relaxed);
    }

    /// Nobody needs to follow until [`Self::catch_up`].
    pub fn rest(&self) {
        self.caught_up.store(AT_REST, Ordering::Relaxed);
    }

    /// Whether nothing was left to take over, no longer ago than this.
    pub fn is_within(&self, limit: Duration) -> bool {
        self.caught_up.load(Ordering::Relaxed) != NEVER && self.behind().is_some_and(|behind| behind <= limit)
    }

    /// How long ago that was; since the start if it never was, `None` at rest.
    fn behind(&self) -> Option<Duration> {
        let caught_up = self.caught_up.load(Ordering::Relaxed);
        let is_followed = caught_up != AT_REST;
        is_followed.then(|| self.started.elapsed().saturating_sub(Duration::from_millis(caught_up)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_never_caught_up_is_behind_since_the_start_and_who_rests_is_not_behind() {
        let mut lag = Lag::measured("test", "test");
        lag.started -= 60 * SECOND;
        assert!(lag.behind().unwrap() >= 60 * SECOND && !lag.is_within(100 * SECOND));
        lag.catch_up();
        assert!(lag.is_within(SECOND));
        lag.started -= 10 * SECOND;
        assert!(lag.behind().unwrap() >= 10 * SECOND && !lag.is_within(SECOND) && lag.is_within(20 * SECOND));
        lag.rest();
        assert_eq!(lag.behind(), None);
        lag.start_over();
        assert!(lag.behind().unwrap() >= 70 * SECOND && !lag.is_within(100 * SECOND));
    }
}
