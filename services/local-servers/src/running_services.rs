//! Services that run as tasks of this process.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use shared::config::SiblingOptions;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::suite::NAMES;

/// Services that run as tasks of this process.
pub struct RunningServices {
    /// URLs of the four services.
    pub siblings: SiblingOptions,
    shutdown: CancellationToken,
    serving: JoinSet<anyhow::Result<()>>,
}

/// Listens on these loopback ports of the four services; 0 takes a free port.
///
/// # Errors
/// When a port is taken, naming the service and the port.
pub async fn listen(ports: [u16; 4]) -> anyhow::Result<[TcpListener; 4]> {
    let mut listeners = Vec::with_capacity(ports.len());
    for (port, name) in ports.into_iter().zip(NAMES) {
        listeners.push(listen_on(port, name).await?);
    }
    listeners.try_into().map_err(|_| anyhow::anyhow!("there are four services"))
}

/// Listens on the loopback port that `name` is to serve on; 0 takes a free port.
///
/// # Errors
/// When it is taken.
pub async fn listen_on(port: u16, name: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.with_context(|| format!("port {port}, on which {name} is to serve, is not free"))
}

/// The URLs of services that listen at these addresses.
pub fn sibling_urls(addresses: [SocketAddr; 4], is_encrypted: bool) -> SiblingOptions {
    let scheme = if is_encrypted { "https" } else { "http" };
    let [identity_url, project_url, task_url, content_url] =
        addresses.map(|address| format!("{scheme}://{address}"));
    SiblingOptions { identity_url, project_url, task_url, content_url }
}

impl RunningServices {
    /// No service yet. Services that are spawned stop when `shutdown` is cancelled.
    pub fn new(siblings: SiblingOptions, shutdown: CancellationToken) -> Self {
        Self { siblings, shutdown, serving: JoinSet::new() }
    }

    /// Runs a service.
    pub fn spawn(&mut self, service: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.serving.spawn(service);
    }

    /// Cancelled when the services are to stop.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Waits until a service stops by itself, which none should.
    ///
    /// # Errors
    /// Why it stopped.
    pub async fn failed(&mut self) -> anyhow::Result<()> {
        match self.serving.join_next().await {
            Some(outcome) => outcome?.context("a service stopped"),
            None => Ok(()),
        }
    }

    /// Stops the services and waits for their calls to end.
    ///
    /// # Errors
    /// When a service did not end well; the others have ended all the same.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        let mut first_failure = Ok(());
        while let Some(outcome) = self.serving.join_next().await {
            first_failure = first_failure.and(outcome.map_err(anyhow::Error::from).flatten());
        }
        first_failure
    }

    /// Tells the services to stop, without waiting.
    pub fn cancel(&self) {
        self.shutdown.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_service() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = other.local_addr().unwrap().port();
        let refusal = listen([0, 0, port, 0]).await.unwrap_err();
        assert_eq!(refusal.to_string(), format!("port {port}, on which task is to serve, is not free"));
    }
}
