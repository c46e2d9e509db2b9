//! Accepts connections, as many as the limits allow.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use super::connection::ConnectionServer;
use super::connection_places::ConnectionLimits;
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
        let Ok(peer) = stream.peer_addr() else { continue };
        // One more than allowed is closed at once, without a word: even an answer would cost what is scarce.
        let Some(place) = places.take(peer.ip().to_canonical()).map(Arc::new) else { continue };
        let (server, tls) = (server.clone(), tls.clone());
        connections.spawn(async move {
            let serve = async {
                match tls {
                    None => server.serve(stream, place.clone()).await,
                    Some(tls) => {
                        if let Some(encrypted) = tls.handshake(stream).await {
                            server.serve(encrypted, place.clone()).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = serve => {}
                () = place.lost() => {}
            }
        });
    }
    drop(incoming);
    while connections.join_next().await.is_some() {}
}

/// The connections for which this process has file descriptors.
pub(super) fn allowed_connections() -> u64 {
    open_files() / OPEN_FILES_DIVISOR
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
