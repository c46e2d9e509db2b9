//! Clients of the sibling services.
//!
//! Connections are made when they are first used, so that services start in any order. Each call is
//! signed as this service's, carries the trace of the call it is made for, and ends with the deadline of
//! that call.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use futures::TryFutureExt as _;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{BoxError, Service};

use crate::config::{SiblingOptions, TlsOptions};
use crate::server::{Deadline, GRPC_TIMEOUT, MAX_MESSAGE_BYTES};
use crate::service_identity::ServiceSigner;
use crate::telemetry;
use crate::tls::SiblingConnector;
use proto::MethodRules;
use proto::common::server_info_service_client::ServerInfoServiceClient;
use proto::content::backend::v1::document_lookup_service_client::DocumentLookupServiceClient;
use proto::content::backend::v1::event_feed_service_client::EventFeedServiceClient as ContentEventFeedClient;
use proto::identity::backend::v1::session_service_client::SessionServiceClient;
use proto::identity::backend::v1::user_lookup_service_client::UserLookupServiceClient;
use proto::project::backend::v1::access_service_client::AccessServiceClient;
use proto::project::backend::v1::invitation_service_client::InvitationServiceClient;
use proto::task::backend::v1::event_feed_service_client::EventFeedServiceClient as TaskEventFeedClient;
use proto::task::backend::v1::task_lookup_service_client::TaskLookupServiceClient;

/// How long a unary call of a sibling may take, unless the call that it is made for ends earlier.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long connecting may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest message about access: a state has all members of a project and cannot be split, so this is room for some
/// hundred thousand.
pub const MAX_ACCESS_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// How often a silent connection with open streams is checked.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a call that was not sent is retried: each replica that stops closes a connection.
const MAX_RESENDS: u32 = 3;

/// The services of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sibling {
    /// Users and sessions.
    Identity,
    /// Projects and members.
    Project,
    /// Tasks and dependencies.
    Task,
    /// Documents and attachments.
    Content,
}

/// Connections to the sibling services; cheap to clone.
#[derive(Clone, Debug)]
pub struct Siblings {
    identity: SiblingChannel,
    project: SiblingChannel,
    task: SiblingChannel,
    content: SiblingChannel,
}

impl Siblings {
    /// Prepares the connections. Must run inside of a tokio runtime.
    ///
    /// # Errors
    /// A malformed URL or certificate.
    pub fn new(urls: &SiblingOptions, tls: &TlsOptions, signer: &ServiceSigner) -> anyhow::Result<Self> {
        let channel = |url: &str| -> anyhow::Result<SiblingChannel> {
            let inner = connect(url, tls).with_context(|| format!("sibling at {url}"))?;
            Ok(SiblingChannel { inner, signer: signer.clone() })
        };
        Ok(Self {
            identity: channel(&urls.identity_url)?,
            project: channel(&urls.project_url)?,
            task: channel(&urls.task_url)?,
            content: channel(&urls.content_url)?,
        })
    }

    /// The connection for a generated client.
    pub fn channel(&self, sibling: Sibling) -> SiblingChannel {
        match sibling {
            Sibling::Identity => self.identity.clone(),
            Sibling::Project => self.project.clone(),
            Sibling::Task => self.task.clone(),
            Sibling::Content => self.content.clone(),
        }
    }

    /// The client of a sibling's `ServerInfoService`.
    pub fn server_info(&self, sibling: Sibling) -> ServerInfoServiceClient<SiblingChannel> {
        ServerInfoServiceClient::new(self.channel(sibling)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The client of identity's `SessionService`.
    pub fn identity_sessions(&self) -> SessionServiceClient<SiblingChannel> {
        SessionServiceClient::new(self.channel(Sibling::Identity))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The client of identity's `UserLookupService`.
    pub fn user_lookup(&self) -> UserLookupServiceClient<SiblingChannel> {
        UserLookupServiceClient::new(self.channel(Sibling::Identity))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The client of project's `AccessService`.
    pub fn project_access(&self) -> AccessServiceClient<SiblingChannel> {
        AccessServiceClient::new(self.channel(Sibling::Project))
            .max_decoding_message_size(MAX_ACCESS_MESSAGE_BYTES)
    }

    /// The client of project's `InvitationService`.
    pub fn project_invitations(&self) -> InvitationServiceClient<SiblingChannel> {
        InvitationServiceClient::new(self.channel(Sibling::Project))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The client of task's `TaskLookupService`.
    pub fn task_lookup(&self) -> TaskLookupServiceClient<SiblingChannel> {
        TaskLookupServiceClient::new(self.channel(Sibling::Task)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The client of content's `DocumentLookupService`.
    pub fn document_lookup(&self) -> DocumentLookupServiceClient<SiblingChannel> {
        DocumentLookupServiceClient::new(self.channel(Sibling::Content))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The client of task's `EventFeedService`.
    pub fn task_events(&self) -> TaskEventFeedClient<SiblingChannel> {
        TaskEventFeedClient::new(self.channel(Sibling::Task)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The client of content's `EventFeedService`.
    pub fn content_events(&self) -> ContentEventFeedClient<SiblingChannel> {
        ContentEventFeedClient::new(self.channel(Sibling::Content))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

fn connect(url: &str, tls: &TlsOptions) -> anyhow::Result<Channel> {
    let uri: Uri = url.parse()?;
    let is_encrypted = uri.scheme() == Some(&Scheme::HTTPS);
    anyhow::ensure!(
        is_encrypted || tls.tls_client_ca.is_none(),
        "services that show each other certificates are at https URLs"
    );
    // The encryption is ours: the endpoint's own would keep the certificates that it has begun with.
    let endpoint = Endpoint::from_shared(url.replacen("https://", "http://", 1))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .tcp_nodelay(true);
    if !is_encrypted {
        return Ok(endpoint.connect_lazy());
    }
    Ok(endpoint.connect_with_connector_lazy(SiblingConnector::new(tls, CONNECT_TIMEOUT)?))
}

/// A connection that signs each call, for generated clients. The signature covers the path, which a tonic
/// interceptor does not see; so it is a tower service.
#[derive(Clone, Debug)]
pub struct SiblingChannel {
    inner: Channel,
    signer: ServiceSigner,
}

impl Service<Request<Body>> for SiblingChannel {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(BoxError::from)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let headers = request.headers_mut();
        let is_unary = MethodRules::suite().get(&path).is_some_and(|method| !method.is_streaming);
        if is_unary && !headers.contains_key(GRPC_TIMEOUT) {
            let timeout =
                Deadline::remaining_of_current_call().map_or(CALL_TIMEOUT, |left| left.min(CALL_TIMEOUT));
            headers.insert(GRPC_TIMEOUT, Deadline::header(timeout));
        }
        telemetry::inject_context(headers);
        if is_unary {
            let another = self.inner.clone();
            // The channel that is ready is the one to use.
            let channel = std::mem::replace(&mut self.inner, another);
            Box::pin(send_with_retries(channel, self.signer.clone(), request))
        } else {
            sign(&self.signer, &mut request);
            Box::pin(self.inner.call(request).map_err(BoxError::from))
        }
    }
}

fn sign(signer: &ServiceSigner, request: &mut Request<Body>) {
    if let Ok(mut signature) = HeaderValue::try_from(signer.authorization(request.uri().path())) {
        signature.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, signature);
    }
}

/// Sends a unary call, and retries one that was not sent: a sibling that stops, or that closes an old connection, closes
/// the one that the call was waiting for. Readers of streams resume them themselves.
async fn send_with_retries(
    mut channel: Channel,
    signer: ServiceSigner,
    request: Request<Body>,
) -> Result<Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let message = body.collect().await?.to_bytes();
    let mut resends_left = MAX_RESENDS;
    loop {
        let mut request = Request::from_parts(parts.clone(), Body::new(Full::new(message.clone())));
        // Each time again: a signature is accepted once.
        sign(&signer, &mut request);
        match channel.call(request).await {
            Err(error) if resends_left > 0 && was_not_sent(&error) => {
                resends_left -= 1;
                poll_fn(|context| channel.poll_ready(context)).await?;
            }
            answer => return Ok(answer?),
        }
    }
}

/// Whether the connection closed before it took the call, so that the sibling has not seen it.
fn was_not_sent(error: &tonic::transport::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}
