//! The process's one `tracing` subscriber.

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

pub(super) fn install(options: &TelemetryOptions, providers: Option<&Providers>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log_filter).context("log filter")?;
    let mut layers: Vec<BoxedLayer> = vec![standard_error(options.log_format)];
    if let Some(providers) = providers {
        let tracer = providers.traces.tracer(crate::error::ERROR_DOMAIN);
        layers.push(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(own_targets()).boxed());
        layers.push(OpenTelemetryTracingBridge::new(&providers.logs).with_filter(own_targets()).boxed());
    }
    tracing_subscriber::registry()
        .with(layers.with_filter(filter))
        .try_init()
        .context("telemetry is installed once per process")
}

fn standard_error(format: LogFormat) -> BoxedLayer {
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Human => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

fn own_targets() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(EXPORTER_TARGETS.map(|target| (target, LevelFilter::OFF)))
}
