//! Exports project keys, tasks and dependencies in the format of the import.

mod queries;
pub(crate) mod rpc;
mod wire;
