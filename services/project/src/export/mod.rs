//! Handing over projects and members, as the import takes them.

mod queries;
pub(crate) mod rpc;
mod wire;

pub(crate) use rpc::Exporting;
