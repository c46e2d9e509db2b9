//! Handing over documents, versions and attachments, as the import takes them.

mod queries;
pub(crate) mod rpc;
mod wire;

pub use rpc::Exporting;
