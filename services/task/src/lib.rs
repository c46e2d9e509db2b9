//! The task service.

use shared::proto::task::DESCRIPTOR_SET;
use shared::service::Ground;
use tokio::net::TcpListener;

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "task";

/// Serves until told to stop.
///
/// # Errors
/// When a migration, the listener or a certificate fails.
pub async fn serve(ground: Ground, listener: TcpListener) -> anyhow::Result<()> {
    ground.migrate(&shared::migrate::TASK).await?;
    let sessions = ground.remote_sessions();
    let routes = tonic::service::Routes::default();
    ground.serve(DESCRIPTOR_SET, routes, sessions, listener).await
}
