//! The trace of a call: W3C Trace Context (<https://www.w3.org/TR/trace-context/>) in and out.
//!
//! The server layer attaches an OpenTelemetry context to each call's future. It always has a trace id: the
//! one of `traceparent`, else the one of the exported span, else a random one; so an error report names
//! an id that the logs have, whether or not traces are exported.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::context::FutureExt as _;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, global};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The trace of the call that is being worked on, as 32 hexadecimal digits; empty outside of calls.
pub fn current_trace_id() -> String {
    Context::map_current(trace_id_of)
}

/// The trace of `context`, as 32 hexadecimal digits; empty if it has none.
pub fn trace_id_of(context: &Context) -> String {
    let span = context.span();
    let trace = span.span_context();
    if trace.is_valid() { trace.trace_id().to_string() } else { String::new() }
}

/// Work that goes on in a task of its own, and still belongs to the call that is being worked on: to its span and its
/// trace.
pub fn in_current_call<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    work.with_current_context().in_current_span()
}

/// Makes `span` a child of the trace in `headers`, and returns the context to attach to the call.
pub fn open_trace(span: &Span, headers: &HeaderMap) -> Context {
    let parent = global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &Headers(headers))
    });
    let has_parent = parent.span().span_context().is_valid();
    if has_parent {
        // It only fails for a span that has begun, or when traces are not exported: both are harmless.
        span.set_parent(parent.clone()).ok();
    }
    let exported = span.context();
    match (exported.span().span_context().is_valid(), has_parent) {
        (true, _) => exported,
        (false, true) => parent,
        (false, false) => Context::new().with_remote_span_context(random_trace()),
    }
}

fn random_trace() -> SpanContext {
    let trace_id = TraceId::from_bytes(rand::random());
    let span_id = SpanId::from_bytes(rand::random());
    SpanContext::new(trace_id, span_id, TraceFlags::default(), false, TraceState::NONE)
}

/// Writes `traceparent` (and `tracestate`) of the current call into the headers of an outgoing one.
pub fn inject_context(headers: &mut HeaderMap) {
    let exported = Span::current().context();
    let context = if exported.span().span_context().is_valid() { exported } else { Context::current() };
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeadersMut(headers));
    });
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_goes_on_from_the_incoming_to_the_outgoing_call() {
        crate::telemetry::carry_traces();
        let incoming = HeaderMap::from_iter([(
            HeaderName::from_static("traceparent"),
            HeaderValue::from_static(PARENT),
        )]);
        let _attached = open_trace(&Span::none(), &incoming).attach();

        let mut outgoing = HeaderMap::new();
        inject_context(&mut outgoing);

        assert_eq!(current_trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(outgoing.get("traceparent").unwrap(), PARENT);
    }

    #[test]
    fn a_call_without_a_trace_gets_one() {
        assert_eq!(current_trace_id(), "");
        let first = trace_id_of(&open_trace(&Span::none(), &HeaderMap::new()));
        let second = trace_id_of(&open_trace(&Span::none(), &HeaderMap::new()));
        assert_eq!(first.len(), 32);
        assert_ne!(first, second);
    }
}
