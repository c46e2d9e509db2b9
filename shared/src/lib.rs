//! What all four services need.
//!
//! A request passes `server` (the stack of layers), is `authentication`-checked, and reaches a handler, which
//! reads the `caller`, checks the message with `validation`, opens one `database` transaction scoped to
//! that caller, proves its permission with `access`, and answers with a resource or an `error`.

#![warn(missing_docs)]

pub mod access;
pub mod authentication;
pub mod caller;
pub mod change_log;
pub mod clock;
pub mod command_line;
pub mod config;
pub mod database;
mod database_metrics;
pub mod error;
pub mod etag;
pub mod export;
pub mod highlight;
pub mod housekeeping;
pub mod idempotency;
pub mod import;
pub mod json;
pub mod keys;
pub mod mail;
pub mod migrate;
pub mod page;
pub mod redis_store;
mod routes;
mod rpc_table;
pub mod schema;
pub mod server;
pub mod service;
pub mod service_identity;
pub mod siblings;
pub mod telemetry;
pub mod tls;
pub mod user_lookup;
pub mod validation;

pub use rpc_table::RpcFuture;
