//! Tasks as they were, worked out from the log of changes; how is [`shared::change_log`]'s.

mod queries;
pub(crate) mod rpc;
mod wire;
