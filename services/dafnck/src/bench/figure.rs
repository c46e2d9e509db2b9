//! Numbers that are measured once.

use std::time::Duration;

use serde::Serialize;

/// Something that is measured once.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }

    /// The median of times, in milliseconds.
    pub(super) fn median(name: impl Into<String>, times: &[Duration]) -> Self {
        let median = median(times.iter().copied().map(milliseconds).collect());
        Self::new(name, median.unwrap_or_default(), "ms")
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The lower one of two in the middle; `None` of nothing.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}
