//! Encryption in transit: to callers, between services, to PostgreSQL and Redis.
//!
//! Certificates, keys and authorities are reloaded when their files change, so that none needs a restart. Configured
//! authorities replace those of the system. Certificate chains and host names are always verified. With authorities for
//! clients, services must show a certificate of theirs. A certificate that is about to expire is reported in the log and as
//! a metric.

mod client;
mod expiry;
mod pem;
mod reloading_file;
mod server;

pub(crate) use client::SiblingConnector;
pub use client::client_config;
pub use expiry::expiry_of;
pub(crate) use expiry::watch;
pub(crate) use server::ServerTls;
