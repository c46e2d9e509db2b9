//! A duration for each call, under the names of OpenTelemetry's semantic conventions for RPC
//! (<https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/>, 1.40): the histogram
//! `rpc.server.call.duration` in seconds, with `rpc.system.name`, `rpc.method` and `rpc.response.status_code`.

use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use tonic::Code;
use tracing::Span;

use crate::error::code_name;

/// Upper bounds in seconds: the recommended ones, and finer ones below since most calls take a millisecond.
const BOUNDARIES: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Stands for methods that do not exist, since their names could be endless.
const OTHER_METHOD: &str = "_OTHER";

#[derive(Clone)]
pub(super) struct Metrics {
    duration: Histogram<f64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let duration = crate::telemetry::meter()
            .f64_histogram("rpc.server.call.duration")
            .with_description("How long calls took, from their first byte to the last one of the answer.")
            .with_unit("s")
            .with_boundaries(BOUNDARIES.to_vec())
            .build();
        Self { duration }
    }

    /// Begins to measure a call; `path` is `None` for a method that does not exist.
    pub(super) fn start(&self, path: Option<&str>, span: Span) -> Measurement {
        let method = path.map_or(OTHER_METHOD, |path| path.trim_start_matches('/')).to_owned();
        Measurement {
            duration: self.duration.clone(),
            method,
            span,
            started_at: Instant::now(),
            code: Code::Cancelled,
        }
    }
}

/// A call that is being measured. It counts as cancelled when it is dropped without a status.
pub(super) struct Measurement {
    duration: Histogram<f64>,
    method: String,
    span: Span,
    started_at: Instant,
    code: Code,
}

impl Measurement {
    pub(super) fn set_code(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        let name = code_name(self.code);
        let mut attributes = vec![
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", std::mem::take(&mut self.method)),
            KeyValue::new("rpc.response.status_code", name),
        ];
        self.span.record("rpc.response.status_code", name);
        if is_our_failure(self.code) {
            attributes.push(KeyValue::new("error.type", name));
            self.span.record("otel.status_code", "ERROR");
        }
        self.duration.record(self.started_at.elapsed().as_secs_f64(), &attributes);
    }
}

/// The codes that the conventions count as errors of a server.
fn is_our_failure(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
