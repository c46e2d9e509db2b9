//! One connection: HTTP/2 or HTTP/1.1 by what the client speaks, under limits of time.
//!
//! It is served with hyper itself rather than with tonic's server, which neither lets one end the task of a call, nor a
//! connection that makes no call, nor follow an old connection's graceful end by a hard one (0.14).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tower::ServiceExt as _;

use super::connection_places::ConnectionPlace;
use super::limits::{
    CONNECTION_AGE_GRACE, CONNECTION_WINDOW_BYTES, MAX_ERROR_RESET_STREAMS, MAX_HEADER_BYTES,
    MAX_PENDING_RESET_STREAMS, MAX_STREAMS_PER_CONNECTION, SEND_BUFFER_BYTES, STREAM_WINDOW_BYTES,
};
use super::protocol::HttpService;
use super::stalled_writes::StalledWrites;
use super::task_deadline::run_until_deadline;
use crate::config::LimitOptions;

const HTTP2_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const HTTP2_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection without a call may take to close, once it is asked to.
const SILENT_GRACE: Duration = Duration::from_secs(1);

/// Serves connections.
pub(super) struct ConnectionServer {
    builder: Builder<CallExecutor>,
    service: HttpService,
    limits: LimitOptions,
    /// How long the calls of an old connection may go on.
    grace: Duration,
    shutdown: CancellationToken,
}

/// Spawns the tasks of the calls of HTTP/2 connections.
#[derive(Clone)]
struct CallExecutor;

impl<Call: Future<Output = ()> + Send + 'static> Executor<Call> for CallExecutor {
    fn execute(&self, call: Call) {
        tokio::spawn(run_until_deadline(call));
    }
}

impl ConnectionServer {
    pub(super) fn new(service: HttpService, limits: &LimitOptions, shutdown: CancellationToken) -> Self {
        let (builder, limits) = (builder(limits), limits.clone());
        Self { builder, service, limits, grace: CONNECTION_AGE_GRACE, shutdown }
    }

    /// Serves one connection to its end. Its calls learn of its place.
    pub(super) async fn serve<Io>(&self, io: Io, place: Arc<ConnectionPlace>)
    where
        Io: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let (info, called) = (io.connect_info(), Arc::new(AtomicBool::new(false)));
        let (http, has_called) = (self.service.clone(), called.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            has_called.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(info.clone());
            request.extensions_mut().insert(place.clone());
            http.clone().oneshot(request)
        });
        let io = TokioIo::new(StalledWrites::new(io, self.limits.stall_timeout()));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let mut end = pin!(tokio::time::sleep(self.limits.connection_age() + self.grace));
        let mut asked_to_end = pin!(self.asked_to_end(&called));
        let (mut is_asked, mut is_silent) = (false, false);
        // A connection over HTTP/1.1 works on its calls itself, and so lives as they do.
        run_until_deadline(async {
            loop {
                tokio::select! {
                    outcome = &mut connection => {
                        if let Err(error) = outcome {
                            tracing::debug!(error, "a connection has failed");
                        }
                        return;
                    }
                    () = &mut end => {
                        // It may have made its first call just as it was asked to end.
                        if !is_silent || !called.load(Ordering::Relaxed) {
                            return;
                        }
                        is_silent = false;
                        end.as_mut().reset(Instant::now() + self.grace);
                    }
                    () = &mut asked_to_end, if !is_asked => {
                        is_asked = true;
                        connection.as_mut().graceful_shutdown();
                        is_silent = !called.load(Ordering::Relaxed);
                        if is_silent {
                            end.as_mut().reset(Instant::now() + SILENT_GRACE);
                        }
                    }
                }
            }
        })
        .await;
    }

    /// Completes when the connection is old, makes no call, or the server stops. Running calls then go on to their ends.
    async fn asked_to_end(&self, called: &AtomicBool) {
        let silent = async {
            tokio::time::sleep(self.limits.first_request_timeout()).await;
            if called.load(Ordering::Relaxed) {
                std::future::pending().await
            }
        };
        // A client stays with the replica that it connected to: so that it finds new ones, connections are replaced.
        tokio::select! {
            () = silent => {}
            () = tokio::time::sleep(self.limits.connection_age()) => {}
            () = self.shutdown.cancelled() => {}
        }
    }
}

fn builder(limits: &LimitOptions) -> Builder<CallExecutor> {
    let mut builder = Builder::new(CallExecutor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.stall_timeout())
        .max_buf_size(SEND_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_KEEPALIVE_INTERVAL)
        .keep_alive_timeout(HTTP2_KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .max_pending_accept_reset_streams(MAX_PENDING_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_ERROR_RESET_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES);
    builder
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use tokio::io::AsyncWriteExt as _;
    use tonic::body::Body;
    use tower::util::BoxCloneSyncService;

    use super::*;
    use crate::config::ProxyOptions;
    use crate::server::client_address::ClientAddress;
    use crate::server::connection_places::ConnectionLimits;

    #[tokio::test]
    async fn an_old_connection_is_closed_after_its_grace_whatever_its_calls_do() {
        let endless = tower::service_fn(|_| std::future::pending::<Result<Response<Body>, Infallible>>());
        let limits = LimitOptions { connection_age_seconds: 1, ..LimitOptions::default() };
        let server =
            ConnectionServer::new(BoxCloneSyncService::new(endless), &limits, CancellationToken::new());
        let server = ConnectionServer { grace: Duration::from_millis(200), ..server };
        let places = ConnectionLimits::new(&limits, 1, ClientAddress::new(&ProxyOptions::default()));
        let place = Arc::new(places.take([192, 0, 2, 1].into()).unwrap());
        let (ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(b"POST / HTTP/1.1\r\nhost: dafnck\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let began = Instant::now();
        tokio::time::timeout(Duration::from_secs(10), server.serve(ours, place)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(1_200), "{:?}", began.elapsed());
    }
}
