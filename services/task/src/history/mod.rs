//! Tasks at points in time and their changes, read from the change log ([`shared::change_log`]).

mod queries;
pub(crate) mod rpc;
mod wire;
