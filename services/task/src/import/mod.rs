//! Taking over tasks and dependencies from elsewhere: each batch is one transaction, and an item that is refused
//! stops no other.

mod dependencies;
mod numbers;
mod queries;
mod rpc;
mod tasks;
mod verdict;
mod wire;
