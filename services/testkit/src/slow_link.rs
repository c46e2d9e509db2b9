//! A link on which each round trip takes a given time and is counted: what is sent in one go arrives in one go.

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

/// Starts the link; it lives as long as the test's runtime.
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
            carry(from_client, to_server, round_trip, move |bytes| client.lock().unwrap().asks(bytes));
            carry(from_server, to_client, Duration::ZERO, move |_| server.lock().unwrap().is_answered());
        }
    });
    (address, counted)
}

/// Delays every byte by the same time, without holding back the ones behind it, and tells what has come.
fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    have_come: impl Fn(&[u8]) + Send + 'static,
) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    tokio::spawn(async move {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            have_come(&buffer[..count]);
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
