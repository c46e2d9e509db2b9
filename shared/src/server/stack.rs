//! The layers that every call passes: one function per layer, each calling the next.
//!
//! The layers are plain functions inside of one axum middleware rather than one middleware each: their order
//! is read from top to bottom, and a call pays for one boxed future instead of seven.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use opentelemetry::context::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tracing::{Instrument as _, Span};

use super::body::OpenCall;
use super::client_address::ClientAddress;
use super::deadline::Deadline;
use super::limits::DRAIN_STREAMS_AFTER;
use super::metrics::Metrics;
use super::rate_limit::RateLimit;
use super::reflection::INFRASTRUCTURE_SERVICES;
use super::request_body;
use proto::{MethodRule, MethodRules};

use crate::authentication::{AuthenticatedCaller, Authentication};
use crate::caller::PeerAddress;
use crate::config::LimitOptions;
use crate::error::{Error, ErrorReason};
use crate::telemetry;

/// After which time to retry when the server is at its limit.
const OVERLOAD_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The state of the layers.
pub(super) struct Stack {
    /// What paths of this server begin with: `/dafnck.<service>.` and `/dafnck.common.`.
    own_paths: Vec<String>,
    authentication: Authentication,
    clients: ClientAddress,
    pub(super) rate_limit: RateLimit,
    metrics: Metrics,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
}

/// What kind of method a call is for.
#[derive(Clone, Copy)]
enum Method {
    /// A method of the API, with its rule.
    Ruled(&'static MethodRule),
    /// Health and reflection: open to everyone, also when the server is busy.
    Infrastructure,
    /// One that does not exist.
    Unknown,
}

impl Method {
    fn is_streaming(self) -> bool {
        match self {
            Self::Ruled(rule) => rule.is_streaming,
            Self::Infrastructure => true,
            Self::Unknown => false,
        }
    }
}

/// The resources that a stream holds until it has ended.
struct StreamGuard {
    /// The permit of the concurrency limit.
    permit: OwnedSemaphorePermit,
    /// Completes when the token that opened it no longer works.
    token_ended: BoxFuture<'static, Error>,
}

/// A response, and what it holds if it is a stream.
type AdmittedResponse = Result<(Response, Option<StreamGuard>), Status>;

impl Stack {
    pub(super) fn new(
        packages: &[String],
        authentication: Authentication,
        clients: ClientAddress,
        limits: &LimitOptions,
        shutdown: CancellationToken,
    ) -> Self {
        let limit =
            usize::try_from(limits.max_concurrent_requests).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            own_paths: packages.iter().map(|package| format!("/{package}")).collect(),
            authentication,
            clients,
            rate_limit: RateLimit::new(limits),
            metrics: Metrics::new(),
            calls: Arc::new(Semaphore::new(limit)),
            streams: Arc::new(Semaphore::new(limit)),
            shutdown,
        }
    }

    /// Trace, outermost: whatever happens below is logged under one trace id, refusals too.
    /// Metrics next, so that they count what the layers below refuse.
    pub(super) async fn pass(State(stack): State<Arc<Self>>, request: Request, next: Next) -> Response {
        let method = stack.method(request.uri().path());
        let path = (!matches!(method, Method::Unknown)).then(|| request.uri().path());
        let span = span_of(path);
        let deadline = Deadline::of(request.headers(), method.is_streaming());
        let context = telemetry::open_trace(&span, request.headers()).with_value(deadline);
        span.record("trace_id", telemetry::trace_id_of(&context));
        let measurement = stack.metrics.start(path, span.clone());
        let ending = method.is_streaming().then(|| stack.ending(deadline));
        let mut open =
            OpenCall { measurement, span: span.clone(), context: context.clone(), ending, permit: None };

        let answer = stack.catch_panic(method, deadline, &mut open.ending, request, next);
        match answer.with_context(context).instrument(span).await {
            Ok((response, guard)) => {
                if let Some(StreamGuard { permit, token_ended }) = guard {
                    open.permit = Some(permit);
                    open.ending = open.ending.take().map(|ending| first_of(ending, token_ended));
                }
                open.track(response)
            }
            Err(status) => open.track(status.into_http()),
        }
    }

    /// Catches panics: inside of trace and metrics, which must report them, and outside of everything else. The panic's
    /// text goes to standard error; the client sees INTERNAL.
    async fn catch_panic(
        &self,
        method: Method,
        deadline: Deadline,
        ending: &mut Option<BoxFuture<'static, Error>>,
        request: Request,
        next: Next,
    ) -> AdmittedResponse {
        AssertUnwindSafe(self.enforce_deadline(method, deadline, ending, request, next))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::internal("a handler panicked").into()))
    }

    /// The deadline, above everything that may wait. A stream's goes on while its answer is being sent.
    async fn enforce_deadline(
        &self,
        method: Method,
        deadline: Deadline,
        ending: &mut Option<BoxFuture<'static, Error>>,
        request: Request,
        next: Next,
    ) -> AdmittedResponse {
        let work = self.admit_call(method, request, next);
        match ending {
            None => {
                tokio::time::timeout_at(deadline.0, work).await.unwrap_or(Err(Error::DeadlineExceeded.into()))
            }
            Some(ending) => tokio::select! {
                answer = work => answer,
                error = ending => Err(error.into()),
            },
        }
    }

    async fn admit_call(&self, method: Method, mut request: Request, next: Next) -> AdmittedResponse {
        let peer = self.clients.of(peer_of(&request), request.headers());
        request.extensions_mut().insert(PeerAddress(peer));
        let rule = match method {
            Method::Unknown => return Err(Status::unimplemented("there is no such method")),
            // Probes must get through when the server is busy, and tools must see the API before they sign in.
            Method::Infrastructure => return Ok((next.run(request).await, None)),
            Method::Ruled(rule) => rule,
        };
        // Load shedding before authentication: a server at its limit has no time for look-ups either.
        let permit = self.acquire_permit(rule)?;
        // Authentication before the rate limit, which counts by caller.
        let AuthenticatedCaller { caller, token } = self
            .authentication
            .admit(request.uri().path(), rule, request.headers(), shows_certificate(&request))
            .await?;
        // The rate limit last, since it belongs to the caller.
        self.rate_limit.admit(&caller, peer)?;
        request.extensions_mut().insert(caller);
        if !rule.is_streaming {
            return Ok((next.run(request).await, None));
        }
        // A stream ends with the token that opened it, also while it is still being sent to us.
        let mut token_ended = self.authentication.until_ended(token);
        tokio::select! {
            answer = next.run(request.map(request_body::fail_on_reset)) => {
                Ok((answer, Some(StreamGuard { permit, token_ended })))
            }
            error = &mut token_ended => Err(error.into()),
        }
    }

    /// A permit of the concurrency limit, or a refusal at once: waiting would only add to the load. Streams have a limit of
    /// their own, so that watchers cannot keep calls out.
    fn acquire_permit(&self, rule: &MethodRule) -> Result<OwnedSemaphorePermit, Error> {
        let limit = if rule.is_streaming { &self.streams } else { &self.calls };
        Arc::clone(limit).try_acquire_owned().map_err(|_| Error::Exhausted {
            reason: ErrorReason::Overloaded,
            message: "the server is at its limit; try again later",
            retry_after: OVERLOAD_RETRY_AFTER,
        })
    }

    /// Ends a stream: at its deadline, or soon after shutdown begins.
    fn ending(&self, deadline: Deadline) -> BoxFuture<'static, Error> {
        let shutdown = self.shutdown.clone();
        let stopped = async move {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN_STREAMS_AFTER).await;
        };
        Box::pin(async move {
            match tokio::time::timeout_at(deadline.0, stopped).await {
                Ok(()) => Error::unavailable("server", "it is shutting down"),
                Err(_) => Error::DeadlineExceeded,
            }
        })
    }

    fn method(&self, path: &str) -> Method {
        let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match MethodRules::suite().get(path) {
            Some(rule) if self.own_paths.iter().any(|own| path.starts_with(own)) => Method::Ruled(rule),
            _ if INFRASTRUCTURE_SERVICES.contains(&service) => Method::Infrastructure,
            _ => Method::Unknown,
        }
    }
}

fn first_of(one: BoxFuture<'static, Error>, other: BoxFuture<'static, Error>) -> BoxFuture<'static, Error> {
    Box::pin(futures::future::select(one, other).map(|first| first.factor_first().0))
}

fn span_of(path: Option<&str>) -> Span {
    let method = path.map_or("_OTHER", |path| path.trim_start_matches('/'));
    tracing::info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    )
}

/// Whether the other end has shown a certificate of the authorities that services have theirs from.
fn shows_certificate(request: &Request<Body>) -> bool {
    let connection = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    connection.and_then(TlsConnectInfo::peer_certs).is_some_and(|chain| !chain.is_empty())
}

/// The address of the other end of the connection. A connection without one (there is none) counts as one peer.
fn peer_of(request: &Request<Body>) -> IpAddr {
    let extensions = request.extensions();
    let plain = extensions.get::<TcpConnectInfo>();
    let encrypted = extensions.get::<TlsConnectInfo<TcpConnectInfo>>().map(TlsConnectInfo::get_ref);
    plain
        .or(encrypted)
        .and_then(TcpConnectInfo::remote_addr)
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical())
}
