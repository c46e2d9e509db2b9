//! Handing over the keys of projects, tasks and dependencies, as the import takes them.

mod queries;
pub(crate) mod rpc;
mod wire;

pub(crate) use rpc::Export;
