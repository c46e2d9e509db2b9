//! The process's one `tracing` subscriber.

use std::ffi::OsStr;
use std::io::IsTerminal as _;

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::Providers;
use crate::config::{LogFormat, TelemetryOptions};

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What the exporters themselves are made of: exporting its events would cause further exports.
const EXPORTER_TARGETS: [&str; 6] =
    ["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "hyper", "h2", "tower"];

pub(super) fn install(options: &TelemetryOptions, providers: &Providers) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log_filter).context("log filter")?;
    let mut layers: Vec<BoxedLayer> = vec![standard_error(options.log_format)];
    if let Some(traces) = &providers.traces {
        let tracer = traces.tracer(crate::error::ERROR_DOMAIN);
        layers.push(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(own_targets()).boxed());
    }
    if let Some(logs) = &providers.logs {
        layers.push(OpenTelemetryTracingBridge::new(logs).with_filter(own_targets()).boxed());
    }
    tracing_subscriber::registry()
        .with(layers.with_filter(filter))
        .try_init()
        .context("telemetry is installed once per process")
}

fn standard_error(format: LogFormat) -> BoxedLayer {
    let is_colored = is_colored(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    // Where nobody reads standard error any more there is nobody to tell that.
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_colored)
        .log_internal_errors(false);
    match format {
        LogFormat::Human => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// Colours are for terminals, unless the person wants none (<https://no-color.org>).
fn is_colored(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

fn own_targets() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(EXPORTER_TARGETS.map(|target| (target, LevelFilter::OFF)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_colored_on_terminals_unless_the_person_wants_no_colors() {
        assert!(is_colored(true, None) && is_colored(true, Some(OsStr::new(""))));
        assert!(!is_colored(true, Some(OsStr::new("1"))) && !is_colored(false, None));
    }
}
