//! Exports of documents, versions and attachments, in the form that the import accepts.

mod queries;
pub(crate) mod rpc;
mod wire;
