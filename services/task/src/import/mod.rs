//! Imports project keys, tasks and dependencies. Each batch is one transaction; a refused item does not stop the
//! others.

mod decision;
mod dependencies;
mod numbers;
mod outcome;
mod project_keys;
mod queries;
pub(crate) mod rpc;
mod tasks;
mod wire;
