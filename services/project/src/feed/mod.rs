//! What happens to a project, as it happens, to those who may know; see [`crate::history`] for what an event is.

pub(crate) mod rpc;
mod watching;
