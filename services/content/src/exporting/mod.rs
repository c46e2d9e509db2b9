//! Handing over documents, versions and attachments, as the import takes them.

mod queries;
mod rpc;
mod wire;

pub use rpc::Exporting;
