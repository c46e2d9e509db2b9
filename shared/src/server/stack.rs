//! The layers that every call passes: one function per layer, each calling the next.
//!
//! The layers are plain functions inside of one axum middleware rather than one middleware each: their order
//! is read from top to bottom, and a call pays for one boxed future instead of seven.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tracing::{Instrument as _, Span};

use super::admission::{self, Admission, CallKind, CallResources};
use super::body::{OpenCall, ReadDeadline};
use super::caller_slots::CallerSlots;
use super::client_address::ClientAddress;
use super::connection_places::ConnectionPlace;
use super::deadline::Deadline;
use super::framing::Cardinality;
use super::limits::{DRAIN_STREAMS_AFTER, MAX_INFRASTRUCTURE_MESSAGE_BYTES, MAX_MESSAGE_BYTES};
use super::metrics::Metrics;
use super::rate_limit::RateLimit;
use super::reflection::INFRASTRUCTURE_SERVICES;
use super::request_body::{MessageLimits, RequestBody};
use super::shares::Owner;
use proto::{MethodRule, MethodRules};

use crate::authentication::{AuthenticatedCaller, Authentication, ConnectionSecurity};
use crate::caller::{Caller, PeerAddress};
use crate::config::LimitOptions;
use crate::database::OutsideCall;
use crate::error::Error;
use crate::telemetry;

/// The one method of the infrastructure that is not a stream.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
/// The one that takes one message and answers with a stream; reflection takes streams.
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The state of the layers.
pub(super) struct Stack {
    /// What paths of this server begin with: `/dafnck.<service>.` and `/dafnck.common.`.
    own_paths: Vec<String>,
    authentication: Authentication,
    clients: ClientAddress,
    rate_limit: RateLimit,
    metrics: Metrics,
    admission: Admission,
    costly: CallerSlots,
    limits: LimitOptions,
    pub(super) shutdown: CancellationToken,
}

/// What kind of method a call is for.
#[derive(Clone, Copy)]
enum Method {
    /// A method of the API, with its rule.
    Ruled(&'static MethodRule),
    /// A question for the health of the server.
    HealthCheck,
    /// A stream of health or reflection.
    InfrastructureStream(Cardinality),
    /// One that does not exist.
    Unknown,
}

impl Method {
    fn is_streaming(self) -> bool {
        match self {
            Self::Ruled(rule) => rule.is_streaming,
            Self::InfrastructureStream(_) => true,
            Self::HealthCheck | Self::Unknown => false,
        }
    }

    fn place_kind(self) -> CallKind {
        match self {
            Self::HealthCheck => CallKind::Probe,
            _ if self.is_streaming() => CallKind::Stream,
            _ => CallKind::Call,
        }
    }

    fn message_limits(self) -> MessageLimits {
        let cardinality = match self {
            Self::Ruled(rule) if rule.is_client_streaming => Cardinality::Any,
            Self::InfrastructureStream(cardinality) => cardinality,
            Self::Ruled(_) | Self::HealthCheck | Self::Unknown => Cardinality::One,
        };
        let max_message_bytes = match self {
            Self::Ruled(_) | Self::Unknown => MAX_MESSAGE_BYTES,
            Self::HealthCheck | Self::InfrastructureStream(_) => MAX_INFRASTRUCTURE_MESSAGE_BYTES,
        };
        MessageLimits { cardinality, max_message_bytes }
    }
}

/// What an admitted call holds until it has ended.
struct AdmittedCall {
    resources: CallResources,
    /// Of a stream: completes when the token that opened it no longer works.
    token_ended: Option<BoxFuture<'static, Error>>,
    /// In which it is worked on, also while the answer is being sent.
    context: Context,
}

/// A response, and what its call holds.
type AdmittedResponse = Result<(Response, AdmittedCall), Status>;

impl Stack {
    pub(super) fn new(
        packages: &[String],
        authentication: Authentication,
        clients: ClientAddress,
        limits: &LimitOptions,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            own_paths: packages.iter().map(|package| format!("/{package}")).collect(),
            authentication,
            clients,
            rate_limit: RateLimit::new(limits),
            metrics: Metrics::new(),
            admission: Admission::new(limits),
            costly: CallerSlots::default(),
            limits: limits.clone(),
            shutdown,
        }
    }

    /// Drops what is known of callers and peers that were quiet lately.
    pub(super) fn forget_quiet(&self) {
        self.rate_limit.forget_quiet_callers();
        self.authentication.forget_quiet_peers();
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
        let mut open = OpenCall {
            measurement,
            span: span.clone(),
            context: context.clone(),
            ending,
            resources: None,
            timing: ReadDeadline::new(deadline.0, stack.limits.stall_timeout()),
        };

        let answer = stack.catch_panic(method, deadline, &mut open.ending, request, next);
        match answer.with_context(context).instrument(span).await {
            Ok((response, AdmittedCall { resources, token_ended, context })) => {
                open.resources = Some(resources);
                open.context = context;
                if let Some(token_ended) = token_ended {
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
        // Whether it is one is checked before anything else is done for it.
        let is_of_principal = Authentication::claims_service(request.headers());
        let owner = if is_of_principal { Owner::Principal } else { Owner::peer(peer) };
        let connection = request.extensions().get::<Arc<ConnectionPlace>>().cloned();
        let is_on_probation = connection.as_ref().is_some_and(|place| place.is_on_probation());
        if is_on_probation && !is_of_principal && !matches!(method, Method::HealthCheck) {
            return Err(admission::overloaded(owner).into());
        }
        let rule = match method {
            Method::Unknown => return Err(Status::unimplemented("there is no such method")),
            // Tools must see the API before they sign in.
            Method::HealthCheck | Method::InfrastructureStream(_) => {
                let resources = self.admission.begin(method.place_kind(), Owner::peer(peer))?;
                let request = self.limit_body(method, request, &resources);
                let context = Context::current();
                return Ok((next.run(request).await, AdmittedCall { resources, token_ended: None, context }));
            }
            Method::Ruled(rule) => rule,
        };
        // A place of the address before authentication, which may have to look up: a server at its limit has no time for
        // that either. Services are authenticated without, so that nobody else can take their places.
        let mut resources = self.admission.begin(method.place_kind(), owner)?;
        // Authentication before the rate limit, which counts by caller.
        let AuthenticatedCaller { caller, token } = self
            .authentication
            .admit(request.uri().path(), rule, request.headers(), peer, security_of(&request))
            .await?;
        let mut owner = owner;
        match (&caller, &connection) {
            (Caller::User(session), _) => {
                owner = Owner::Caller(session.user_id);
                resources.add(self.admission.take(method.place_kind(), owner)?);
            }
            (Caller::Service(_), Some(place)) => place.give_to_principal(),
            (Caller::Service(_), None) | (Caller::Anonymous, _) => {}
        }
        // The rate limit after them, since it belongs to the caller.
        self.rate_limit.admit(&caller, peer)?;
        // Last, since it waits for the caller's other calls.
        let _slot = if rule.is_costly { self.costly.acquire(owner).await } else { None };
        let context = context_of(&caller, peer);
        request.extensions_mut().insert(caller);
        let request = self.limit_body(method, request, &resources);
        let answer = next.run(request).with_context(context.clone());
        if !rule.is_streaming {
            return Ok((answer.await, AdmittedCall { resources, token_ended: None, context }));
        }
        // A stream ends with the token that opened it, also while it is still being sent to us.
        let mut token_ended = self.authentication.until_ended(token);
        tokio::select! {
            answer = answer => Ok((answer, AdmittedCall { resources, token_ended: Some(token_ended), context })),
            error = &mut token_ended => Err(error.into()),
        }
    }

    /// Limits the body, once the call may be worked on.
    fn limit_body(&self, method: Method, mut request: Request, resources: &CallResources) -> Request {
        request.extensions_mut().insert(resources.bytes.clone());
        let (parts, body) = request.into_parts();
        let body = RequestBody::new(body, &parts.headers, method.message_limits(), resources, &self.limits);
        Request::from_parts(parts, Body::new(body))
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
            _ if path == HEALTH_CHECK => Method::HealthCheck,
            _ if path == HEALTH_WATCH => Method::InfrastructureStream(Cardinality::One),
            _ if INFRASTRUCTURE_SERVICES.contains(&service) => Method::InfrastructureStream(Cardinality::Any),
            _ => Method::Unknown,
        }
    }
}

/// The context in which a call is worked on.
fn context_of(caller: &Caller, peer: IpAddr) -> Context {
    match caller {
        Caller::Service(_) => Context::current(),
        Caller::Anonymous => Context::current_with_value(OutsideCall { peer, user: None }),
        Caller::User(session) => {
            Context::current_with_value(OutsideCall { peer, user: Some(session.user_id) })
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

/// How well the connection of a call is protected.
fn security_of(request: &Request<Body>) -> ConnectionSecurity {
    let encrypted = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    ConnectionSecurity {
        address: peer_of(request),
        is_encrypted: encrypted.is_some(),
        has_client_certificate: encrypted
            .and_then(TlsConnectInfo::peer_certs)
            .is_some_and(|chain| !chain.is_empty()),
    }
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
