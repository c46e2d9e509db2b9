//! The content service.

use shared::proto::content::DESCRIPTOR_SET;
use shared::service::{Ground, StorageOptions};
use tokio::net::TcpListener;

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "content";

/// Serves until told to stop.
///
/// # Errors
/// When a migration, the listener or a certificate fails.
pub async fn serve(ground: Ground, storage: StorageOptions, listener: TcpListener) -> anyhow::Result<()> {
    ground.migrate(&shared::migrate::CONTENT).await?;
    let sessions = ground.remote_sessions();
    tracing::debug!(?storage, "storage");
    let routes = tonic::service::Routes::default();
    ground.serve(DESCRIPTOR_SET, routes, sessions, listener).await
}
