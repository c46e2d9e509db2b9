//! A small HTTP server, for what is no call of the API: plain text, short answers from memory, no authentication. Its port
//! belongs on a loopback or a private network.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at a time; others wait.
const MAX_CONNECTIONS: usize = 32;
/// How long a client may take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after a connection that could not be accepted the next one is.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Answers requests, whose bodies are not read, until this is dropped.
pub async fn serve<Respond, Answer>(listener: TcpListener, respond: Respond)
where
    Respond: Fn(Request<()>) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Response<Bytes>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(place) = places.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            continue;
        };
        let respond = respond.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = respond(request.map(drop));
                async move { Ok::<_, Infallible>(answer.await.map(Full::new)) }
            });
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(error, "a client went away");
            }
            drop(place);
        });
    }
}
