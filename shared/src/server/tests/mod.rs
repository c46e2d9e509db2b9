//! The whole stack over a real connection, around a service that does what its caller asks for.

mod browsers;
mod calls;
mod connections;
mod drill;
mod frames;
mod memory;
mod places;
mod raw;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::*;
use crate::authentication::{
    SESSION_TOKEN_PREFIX, SessionSource, SessionUse, Sessions, TOKEN_BYTES, TokenHash, token_hash,
};
use crate::caller::{Caller, PeerAddress, Session};
use crate::clock::Clock;
use crate::config::{PrincipalOptions, SiblingOptions};
use crate::redis_store::RedisStore;
use crate::service_identity::{KEY_BYTES, PrincipalKeys, PrivateKey, ServiceSigner};
use crate::siblings::{Sibling, SiblingChannel, Siblings};
use proto::common::GetServerInfoRequest;
use proto::common::server_info_service_client::ServerInfoServiceClient;
use proto::project::backend::v1 as pb;
use proto::project::backend::v1::access_service_client::AccessServiceClient;
use proto::project::backend::v1::access_service_server::{AccessService, AccessServiceServer};

/// Does what the field `project_id` says; a number asks for an answer of so many bytes.
#[derive(Clone)]
struct ScriptedService;

#[tonic::async_trait]
impl AccessService for ScriptedService {
    async fn get_project_access(
        &self,
        request: Request<pb::GetProjectAccessRequest>,
    ) -> Result<Response<pb::ProjectAccess>, Status> {
        let caller = Caller::of(&request)?;
        let port = request.remote_addr().map(|peer| peer.port()).unwrap_or_default();
        let peer =
            request.extensions().get::<PeerAddress>().map(|peer| peer.0.to_string()).unwrap_or_default();
        match request.into_inner().project_id.as_str() {
            "panic" => panic!("as told"),
            "sleep" => tokio::time::sleep(Duration::from_secs(60)).await,
            "port" => {
                return Ok(Response::new(pb::ProjectAccess {
                    project_id: port.to_string(),
                    ..Default::default()
                }));
            }
            size if size.parse::<usize>().is_ok() => {
                let project_id = "x".repeat(size.parse().unwrap());
                return Ok(Response::new(pb::ProjectAccess { project_id, ..Default::default() }));
            }
            _ => {}
        }
        let trace = crate::telemetry::current_trace_id();
        let project_id = format!("{caller:?} {peer} {}", trace.len());
        Ok(Response::new(pb::ProjectAccess { project_id, ..Default::default() }))
    }

    async fn list_project_access(
        &self,
        _: Request<pb::ListProjectAccessRequest>,
    ) -> Result<Response<pb::ListProjectAccessResponse>, Status> {
        Ok(Response::new(pb::ListProjectAccessResponse::default()))
    }

    type WatchProjectAccessStream = ReceiverStream<Result<pb::WatchProjectAccessResponse, Status>>;

    /// Stays open and silent.
    async fn watch_project_access(
        &self,
        _: Request<pb::WatchProjectAccessRequest>,
    ) -> Result<Response<Self::WatchProjectAccessStream>, Status> {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move { sender.closed().await });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

#[tokio::test]
async fn every_server_describes_itself_to_anyone() {
    let server = RunningServer::start().await;
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
    let info = ServerInfoServiceClient::new(channel)
        .get_server_info(GetServerInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(info.api_packages.contains(&"dafnck.project.backend.v1".to_owned()));
    assert!(info.api_packages.contains(&"dafnck.common.v1".to_owned()));
    assert_eq!(info.limits.unwrap().max_message_bytes, 4 * 1024 * 1024);
    assert!(info.server_time.is_some());
}

/// A source that knows one token, and counts how often it is asked.
struct OneSession {
    lookups: Arc<AtomicUsize>,
}

/// The number of the token that is known.
const KNOWN_TOKEN: u8 = 255;

#[async_trait::async_trait]
impl SessionSource for OneSession {
    async fn resolve(&self, hash: &TokenHash) -> crate::error::Result<Option<Session>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let session = Session {
            session_id: Uuid::from_u128(1),
            user_id: Uuid::from_u128(2),
            expires_at: Utc::now() + chrono::TimeDelta::hours(1),
            scopes: None,
        };
        Ok((*hash == token_hash(&token(KNOWN_TOKEN))).then_some(session))
    }

    async fn report_seen(&self, _: &[SessionUse]) -> crate::error::Result<()> {
        Ok(())
    }
}

struct RunningServer {
    url: String,
    /// Tokens that the session source was asked for.
    lookups: Arc<AtomicUsize>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

fn key_of(name: &str) -> PrivateKey {
    let mut bytes = [0; KEY_BYTES];
    bytes.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    PrivateKey::pem_of(&bytes).parse().unwrap()
}

/// Of the service that calls.
fn signer() -> ServiceSigner {
    ServiceSigner::new("task", key_of("task"))
}

fn principals() -> PrincipalOptions {
    let keys = ["task", "project", "operator"].map(|name| format!("{name}:{}", key_of(name).public_key()));
    PrincipalOptions {
        service_key: key_of("project"),
        principal_keys: keys.join(",").parse().unwrap(),
        plain_text_networks: Vec::new(),
    }
}

impl RunningServer {
    async fn start() -> Self {
        Self::start_with(LimitOptions::default()).await
    }

    async fn start_with(limits: LimitOptions) -> Self {
        Self::start_as(limits, true).await
    }

    async fn start_as(limits: LimitOptions, is_ready: bool) -> Self {
        Self::start_for(CorsOptions::default(), limits, is_ready).await
    }

    async fn start_for(cors: CorsOptions, limits: LimitOptions, is_ready: bool) -> Self {
        let (shutdown, lookups) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        let sessions = Sessions::start(
            redis,
            PrincipalKeys::default(),
            Arc::new(OneSession { lookups: lookups.clone() }),
            Clock::default(),
            shutdown.clone(),
        );
        let parts = ServerParts {
            name: "project",
            services: vec![ServiceParts {
                name: "project",
                descriptor_set: proto::project::DESCRIPTOR_SET,
                routes: crate::routes![ScriptedService => AccessServiceServer],
                info: ServerInfo::default(),
                readiness: Arc::new(move || Box::pin(async move { is_ready })),
                described_siblings: Vec::new(),
            }],
            authentication: Authentication::new(sessions, &principals())
                .with_failures_per_second(limits.authentication_failures_per_second),
            proxies: ProxyOptions::default(),
            cors,
            limits,
            tls: TlsOptions::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(serve(parts, listener, shutdown.clone()));
        Self { url, lookups, shutdown, task }
    }

    fn siblings(&self) -> Siblings {
        self.siblings_of(&signer())
    }

    fn siblings_of(&self, signer: &ServiceSigner) -> Siblings {
        let urls = SiblingOptions { project_url: self.url.clone(), ..SiblingOptions::default() };
        Siblings::new(&urls, &TlsOptions::default(), signer).unwrap()
    }

    async fn ask(&self, what: &str) -> Result<String, Status> {
        let request = pb::GetProjectAccessRequest { project_id: what.into(), known_revision: 0 };
        let answer = self.siblings().project_access().get_project_access(request).await?;
        Ok(answer.into_inner().project_id)
    }

    async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url.clone()).unwrap().connect().await.unwrap()
    }

    /// A connection of a client at another address.
    fn channel_from(&self, address: &str) -> Channel {
        let endpoint = Endpoint::from_shared(self.url.clone()).unwrap();
        endpoint.local_address(Some(address.parse().unwrap())).connect_lazy()
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    async fn health(&self) -> i32 {
        self.health_of("dafnck.project.v1.ProjectService").await
    }

    async fn health_of(&self, service: &str) -> i32 {
        let request = HealthCheckRequest { service: service.into() };
        HealthClient::new(self.channel().await).check(request).await.unwrap().into_inner().status
    }
}

fn summary(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    format!("{:?} {reason}", status.code())
}

fn token(number: u8) -> String {
    use base64::Engine as _;
    let random = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([number; TOKEN_BYTES]);
    format!("{SESSION_TOKEN_PREFIX}{random}")
}

#[tokio::test]
async fn an_address_that_sends_unknown_tokens_is_refused_before_they_are_looked_up() {
    let limits = LimitOptions { authentication_failures_per_second: 1, ..LimitOptions::default() };
    let server = RunningServer::start_with(limits).await;
    let call = async |from: &str, number| {
        let mut request = Request::new(pb::GetProjectAccessRequest::default());
        let header = format!("Bearer {}", token(number)).parse().unwrap();
        request.metadata_mut().insert("authorization", header);
        let mut client = AccessServiceClient::new(server.channel_from(from));
        summary(&client.get_project_access(request).await.unwrap_err())
    };
    for number in 0..5 {
        assert_eq!(call("127.0.0.2", number).await, "Unauthenticated SESSION_INVALID");
    }
    for number in 100..120 {
        assert_eq!(call("127.0.0.2", number).await, "ResourceExhausted RATE_LIMITED");
    }
    assert_eq!(server.lookups.load(Ordering::SeqCst), 5);
    assert_eq!(call("127.0.0.3", 200).await, "Unauthenticated SESSION_INVALID");
}
