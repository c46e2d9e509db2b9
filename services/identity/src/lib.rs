//! The identity service: users, their profiles and their sessions.

use std::sync::Arc;

use shared::proto::identity::DESCRIPTOR_SET;
use shared::proto::identity::internal::v1::directory_service_server::DirectoryServiceServer;
use shared::proto::identity::internal::v1::session_resolver_service_server::SessionResolverServiceServer;
use shared::server::MAX_MESSAGE_BYTES;
use shared::service::Ground;
use tokio::net::TcpListener;
use tonic::service::Routes;

mod sessions;
mod users;

use sessions::{SessionResolver, SessionStore};
use users::Directory;

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "identity";

/// Serves until told to stop.
///
/// # Errors
/// When a migration, the listener or a certificate fails.
pub async fn serve(ground: Ground, listener: TcpListener) -> anyhow::Result<()> {
    ground.migrate(&shared::migrate::IDENTITY).await?;
    let store = SessionStore::new(ground.database.clone(), ground.redis.clone());
    let sessions = ground.sessions(Arc::new(store.clone()));
    let routes = Routes::new(
        SessionResolverServiceServer::new(SessionResolver(store))
            .max_decoding_message_size(MAX_MESSAGE_BYTES),
    )
    .add_service(
        DirectoryServiceServer::new(Directory(ground.worker.clone()))
            .max_decoding_message_size(MAX_MESSAGE_BYTES),
    );
    ground.serve(DESCRIPTOR_SET, routes, sessions, listener).await
}
