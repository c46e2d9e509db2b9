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

mod access_loss_in_streams;
mod access_propagation;
mod agreement;
mod allocations;
mod archived;
mod bench;
mod browser;
mod budgets;
mod catalog;
mod commands;
mod console;
mod dafnck;
mod deploy;
mod doctor;
mod drills;
mod eips;
mod encrypted_run;
mod end_sessions_command;
mod expired_tokens;
mod files;
mod freshness;
mod garbage;
mod gateway;
mod gathered_reads;
mod gathered_writes;
mod harness;
mod housekeeping;
mod import;
mod interchange;
mod least_privilege;
mod local_suite;
mod maintain_command;
mod manual;
mod method_rules;
mod outages;
mod pipelining;
mod project_deletion;
mod reference;
mod reflection;
mod reserves;
mod restoring;
mod roles;
mod scheduled_maintenance;
mod starting;
mod telemetry;
mod topologies;
mod tour;
mod trimming;
mod trust;
mod upgrading;
mod watchers;
mod workload;
