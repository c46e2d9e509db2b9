//! Accepts connections, as many as the limits allow.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use super::client_address::ClientAddress;
use super::connection::ConnectionServer;
use super::shares::{Owner, Shares};
use crate::config::{LimitOptions, ShareLimits};
use crate::tls::ServerTls;

const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// How long to wait after an error to accept, as when no file descriptors are left.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// The part of the open files that the connections of one server may take: the local suite has four in one process, beside
/// its connections to others.
const OPEN_FILES_DIVISOR: u64 = 4;

/// Accepts until `shutdown`, and then waits for the connections to end. They are closed when this is dropped.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<ServerTls>,
    server: Arc<ConnectionServer>,
    places: &ConnectionLimits,
    shutdown: &CancellationToken,
) {
    let mut incoming =
        TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = incoming.next() => accepted,
        };
        let stream = match accepted {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
            None => break,
        };
        // One more than allowed is closed at once, without a word: even an answer would cost what is scarce.
        let Some(place) = places.take(&stream) else { continue };
        let (server, tls) = (server.clone(), tls.clone());
        connections.spawn(async move {
            match tls {
                None => server.serve(stream).await,
                Some(tls) => {
                    if let Some(encrypted) = tls.handshake(stream).await {
                        server.serve(encrypted).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(incoming);
    while connections.join_next().await.is_some() {}
}

/// The connections that a server has, and that each address has.
pub(super) struct ConnectionLimits {
    shares: Shares,
    clients: ClientAddress,
}

impl ConnectionLimits {
    pub(super) fn new(limits: &LimitOptions, clients: ClientAddress) -> Self {
        let allowed = open_files() / OPEN_FILES_DIVISOR;
        let total = allowed.clamp(1, limits.max_connections.into());
        let per_peer = limits.max_connections_per_peer.into();
        Self { shares: Shares::new(ShareLimits { total, reserved: 0, per_peer, per_caller: 0 }), clients }
    }

    /// A proxy that we trust has the connections of many clients.
    fn take(&self, stream: &TcpStream) -> Option<impl Send + use<>> {
        let peer = stream.peer_addr().ok()?.ip().to_canonical();
        let owner = if self.clients.trusts(peer) { Owner::Principal } else { Owner::peer(peer) };
        self.shares.take(owner, 1)
    }
}

/// How many files this process may open, after it has raised its soft limit to the hard one.
fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}
