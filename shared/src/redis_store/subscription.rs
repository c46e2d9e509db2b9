//! Messages from Redis, across lost connections.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{ConnectionInfo, RedisResult};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::address::Address;

/// Messages that wait for a slow receiver before the connection itself is left waiting.
const BUFFERED_MESSAGES: usize = 1024;
/// How long connecting and subscribing may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a silent connection is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// A subscription is not renewed more often for leading to a replica: each time, caches are emptied.
const MIN_LIFETIME: Duration = Duration::from_secs(5);
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(100);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

/// What a subscriber receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// The subscription is established (again); earlier messages may have been missed.
    Connected,
    /// A message.
    Message {
        /// The channel.
        channel: String,
        /// The payload.
        payload: String,
    },
}

pub(super) fn start(
    address: Arc<Address>,
    mut demoted: watch::Receiver<()>,
    channels: Vec<String>,
) -> mpsc::Receiver<Notification> {
    let (sender, receiver) = mpsc::channel(BUFFERED_MESSAGES);
    tokio::spawn(async move {
        tokio::select! {
            () = follow(&address, &mut demoted, &channels, &sender) => {}
            () = sender.closed() => {}
        }
    });
    receiver
}

/// In a cluster each node passes on what is published at any: when one goes, the next is asked.
async fn follow(
    address: &Address,
    demoted: &mut watch::Receiver<()>,
    channels: &[String],
    sender: &mpsc::Sender<Notification>,
) {
    let pauses = || {
        ExponentialBuilder::new()
            .with_min_delay(FIRST_RETRY_DELAY)
            .with_max_delay(MAX_RETRY_DELAY)
            .with_jitter()
            .without_max_times()
            .build()
    };
    let mut next_pauses = pauses();
    for node in address.nodes.iter().cycle() {
        match timeout(CONNECT_TIMEOUT, connect(address, node, channels)).await {
            Ok(Ok((sink, messages))) => {
                next_pauses = pauses();
                if sender.send(Notification::Connected).await.is_ok() {
                    tokio::select! {
                        () = forward(sink, messages, sender) => {}
                        () = until_demoted(demoted) => tracing::warn!("Redis is a replica; the subscription is renewed"),
                    }
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "the Redis subscription failed"),
            Err(_) => tracing::debug!("the Redis subscription took too long"),
        }
        tokio::time::sleep(next_pauses.next().unwrap_or(MAX_RETRY_DELAY)).await;
    }
}

async fn until_demoted(demoted: &mut watch::Receiver<()>) {
    tokio::time::sleep(MIN_LIFETIME).await;
    if demoted.changed().await.is_err() {
        // No operation is left that could find it out.
        std::future::pending::<()>().await;
    }
}

async fn connect(
    address: &Address,
    node: &ConnectionInfo,
    channels: &[String],
) -> RedisResult<(PubSubSink, PubSubStream)> {
    let mut connection = address.client(node)?.get_async_pubsub().await?;
    connection.subscribe(channels).await?;
    Ok(connection.split())
}

/// Forwards messages until the connection is lost.
async fn forward(mut sink: PubSubSink, mut messages: PubSubStream, sender: &mpsc::Sender<Notification>) {
    loop {
        let message = match timeout(PING_INTERVAL, messages.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            // A connection that was cut silently would otherwise be waited on for ever.
            Err(_) => match timeout(CONNECT_TIMEOUT, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => continue,
                Ok(Err(_)) | Err(_) => return,
            },
        };
        let notification = Notification::Message {
            channel: message.get_channel_name().to_owned(),
            payload: message.get_payload().unwrap_or_default(),
        };
        if sender.send(notification).await.is_err() {
            return;
        }
    }
}
