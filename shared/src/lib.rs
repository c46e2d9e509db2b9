//! What all four services are built from, and nothing that only one of them needs.
//!
//! A call passes the layers of [`server`], in this order:
//!
//! ```text
//!  client
//!    |  TLS ........................ tls
//!    v
//!  trace > metrics > panic guard > deadline > concurrency limit
//!    |                               telemetry, server
//!    v
//!  authentication, rate limit ..... authentication, caller, service_identity
//!    v
//!  freshness of access ............ access (task and content)
//!    v
//!  handler                          validation, page, idempotency, etag, json
//!    |  one transaction, scoped to the caller
//!    v
//!  database ....................... PostgreSQL: rows, row-level security, change log
//!    |  after the commit
//!    v
//!  signal, mail outbox ............ change_log, redis_store, mail
//! ```
//!
//! # Modules
//!
//! - A server: [`server`], [`service`] (context and life cycle), [`config`] and [`command_line`] (options), [`telemetry`],
//!   [`tls`], [`routes!`] (generated servers with their limits) and [`rpc_table!`] (RPCs to handlers).
//! - Callers: [`authentication`] (sessions and API tokens, cached), [`caller`], [`service_identity`] and [`siblings`]
//!   (signed calls between services), [`redis_store`], [`keys`].
//! - Access: [`access`] has the table of roles and permissions, the proof that a caller has one, the `Authorizer`, and the
//!   copies of memberships.
//! - Data: [`database`] (transactions in few round trips), [`schema`] (enums of PostgreSQL), [`migrate`],
//!   [`change_log`] (feeds, histories, point-in-time reads), [`housekeeping`], [`clock`].
//! - Conventions of the API: [`validation`] (violations, masks, ranges), [`error`], [`etag`], [`page`], [`idempotency`],
//!   [`json`], [`highlight`], [`import`], [`export`], [`user_lookup`].
//! - Mail: [`mail`], a queue that survives a crash.
//!
//! README.md beside this crate has its invariants, limits and decisions.

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
#[cfg(any(test, fuzzing))]
pub mod fuzz_targets;
pub mod highlight;
pub mod housekeeping;
pub mod idempotency;
pub mod import;
pub mod json;
mod keyed_slots;
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
pub mod small_http;
pub mod telemetry;
pub mod tls;
pub mod user_lookup;
pub mod validation;

pub use rpc_table::RpcFuture;
