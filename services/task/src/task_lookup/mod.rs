//! Existing and deleted tasks, for services that refer to tasks.

mod deletions;
pub(crate) mod rpc;
