//! The suite as a whole, over the real wire.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "failing is reporting here"
)]

mod agreement;
mod archived;
mod bench;
mod browser;
mod budgets;
mod catalog;
mod commands;
mod dafnck;
mod deleting;
mod deploy;
mod doctor;
mod drills;
mod effects;
mod eips;
mod encrypted_run;
mod ended_streams;
mod ending_sessions;
mod expired_tokens;
mod files;
mod freshness;
mod garbage;
mod gateway;
mod gathered_reads;
mod harness;
mod housekeeping;
mod import;
mod interchange;
mod least_privilege;
mod machine;
mod maintaining;
mod maintenance;
mod manual;
mod outages;
mod pipelining;
mod reference;
mod reflection;
mod restoring;
mod roles;
mod starting;
mod telemetry;
mod topologies;
mod tour;
mod trimming;
mod trust;
mod upgrading;
mod walk;
mod watchers;
mod workload;
