//! Export of projects and members, in the format of the import.

mod queries;
pub(crate) mod rpc;
mod wire;

pub(crate) use rpc::ExportHandler;
