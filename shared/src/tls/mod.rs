//! Encryption in transit: to callers, between services, to PostgreSQL and Redis.
//!
//! Promises: certificates, keys and authorities are read anew when their files change, so that none needs a restart; who
//! gives authorities trusts nobody else; names are always checked; where authorities for clients are given, a service is
//! believed only over a connection with a certificate of theirs; a certificate that is about to end is said in the log
//! and shown as a metric before it does.

mod client;
mod expiry;
mod pem;
mod reloaded;
mod server;

pub(crate) use client::SiblingConnector;
pub use client::client_config;
pub use expiry::expiry_of;
pub(crate) use expiry::watch;
pub(crate) use server::{ServerTls, accept};
