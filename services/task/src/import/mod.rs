//! Imports task counters, milestones, tasks, dependencies and time entries. Each batch is one transaction; a refused item does not
//! stop the others.

mod counters;
mod decision;
mod dependencies;
mod milestones;
mod numbers;
mod outcome;
mod queries;
pub(crate) mod rpc;
mod tasks;
mod time_entries;
mod wire;
