//! Imports task counters, tasks and dependencies. Each batch is one transaction; a refused item does not stop the
//! others.

mod counters;
mod decision;
mod dependencies;
mod numbers;
mod outcome;
mod queries;
pub(crate) mod rpc;
mod tasks;
mod wire;
