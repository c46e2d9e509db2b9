//! Exports task counters, tasks and dependencies in the format of the import.

mod queries;
pub(crate) mod rpc;
mod wire;
