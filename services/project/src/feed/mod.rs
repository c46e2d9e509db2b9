//! The stream of a project's changes, each to those who may read it.

pub(crate) mod rpc;
mod watch;
