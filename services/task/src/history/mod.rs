//! Tasks as they were, worked out from the log of changes.
//!
//! What a task was at a time is what its first change after that time found; without such a change it is what it is
//! now. So only the changes since then must be kept, however old the task is.

mod queries;
mod rpc;
mod wire;
