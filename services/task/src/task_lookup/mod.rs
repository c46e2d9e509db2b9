//! Which tasks exist, and which have ceased to, for services that hang things on them.

mod deletions;
pub(crate) mod rpc;
