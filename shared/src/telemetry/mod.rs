//! Logs, traces and metrics, through `tracing` and OpenTelemetry.
//!
//! A process calls [`init`] at most once, in `main`; services only use what it installed, so four of them
//! can run in one process. Without [`init`] (as in tests) everything here still works and goes nowhere.

mod export;
mod logs;
mod prometheus;
mod trace;

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::metrics::Meter;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::config::TelemetryOptions;

pub use trace::{current_trace_id, in_current_call, inject_context, open_trace, trace_id_of};

/// How long [`Guard::shutdown`] waits for each of traces, metrics and logs to be sent.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Keeps telemetry running; sends what is left when it is dropped.
#[must_use = "telemetry stops when the guard is dropped"]
#[derive(Debug, Default)]
pub struct Guard(Providers);

/// What is exported, each if somebody gets it.
#[derive(Debug, Default)]
struct Providers {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
}

/// Installs the process's log output; with an OTLP endpoint also the export of traces, metrics and logs under the resource
/// attribute `service.name`, and with an address for Prometheus the port on which it reads the metrics. Must run inside of
/// a tokio runtime.
///
/// # Errors
/// A malformed filter or endpoint, a port that is taken, or a second call.
pub fn init(options: &TelemetryOptions, service_name: &str) -> anyhow::Result<Guard> {
    carry_traces();
    let prometheus = options.metrics_listen.map(prometheus::serve).transpose()?;
    let endpoint = options.otlp_endpoint.as_deref();
    let providers = match (endpoint, prometheus) {
        (None, None) => Providers::default(),
        (endpoint, prometheus) => export::providers(endpoint, prometheus, service_name)
            .context("setting up the export of telemetry")?,
    };
    if let Some(traces) = &providers.traces {
        opentelemetry::global::set_tracer_provider(traces.clone());
    }
    if let Some(metrics) = &providers.metrics {
        opentelemetry::global::set_meter_provider(metrics.clone());
    }
    logs::install(options, &providers)?;
    Ok(Guard(providers))
}

/// Makes the process take the trace of a call from who calls, and hand it on. Part of [`init`].
pub fn carry_traces() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
}

/// Where every measurement of the services begins. Without an export it costs next to nothing.
pub fn meter() -> Meter {
    opentelemetry::global::meter(crate::error::ERROR_DOMAIN)
}

impl Guard {
    /// Sends what is left, within [`FLUSH_TIMEOUT`] for each signal. Failing is not worth more than a
    /// line on standard error: the log output itself is among what stops here.
    #[expect(clippy::print_stderr, reason = "the log output has ended")]
    pub fn shutdown(&mut self) {
        let Providers { traces, metrics, logs } = std::mem::take(&mut self.0);
        let results = [
            traces.map(|traces| traces.shutdown_with_timeout(FLUSH_TIMEOUT)),
            metrics.map(|metrics| metrics.shutdown_with_timeout(FLUSH_TIMEOUT)),
            logs.map(|logs| logs.shutdown_with_timeout(FLUSH_TIMEOUT)),
        ];
        for error in results.into_iter().flatten().filter_map(Result::err) {
            eprintln!("telemetry was not sent completely: {error}");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shutdown();
    }
}
