//! Exports task counters, milestones, tasks, dependencies and time entries in the format of the import.

mod queries;
pub(crate) mod rpc;
mod wire;
