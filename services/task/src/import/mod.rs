//! Taking over keys of projects, tasks and dependencies from elsewhere: each batch is one transaction, and an item that is refused
//! stops no other.

mod dependencies;
mod numbers;
mod outcome;
mod project_keys;
mod queries;
pub(crate) mod rpc;
mod tasks;
mod verdict;
mod wire;
