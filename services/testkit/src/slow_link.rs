//! A TCP proxy to PostgreSQL that delays requests by a given time and counts round trips.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::round_trips::RoundTrips;

const BUFFER_BYTES: usize = 64 * 1024;

/// Starts the proxy, which lives as long as the test's runtime.
pub(super) fn start(target: SocketAddr, round_trip: Duration) -> (SocketAddr, RoundTrips) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let address = listener.local_addr().unwrap();
    let counted = RoundTrips::default();
    let count = counted.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(target).await.unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            let client = Arc::new(Mutex::new(count.listen()));
            let server = client.clone();
            forward(from_client, to_server, round_trip, move |bytes| {
                client.lock().unwrap().record_request(bytes)
            });
            forward(from_server, to_client, Duration::ZERO, move |_| {
                server.lock().unwrap().record_response()
            });
        }
    });
    (address, counted)
}

/// Forwards bytes, each delayed by the same time, and calls back for what is received.
fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    on_received: impl Fn(&[u8]) + Send + 'static,
) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    tokio::spawn(async move {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            on_received(&buffer[..count]);
            if sender.send((Instant::now() + delay, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
}
