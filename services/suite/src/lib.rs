//! All four services in one process: the local default (`dafnck`), the operator's commands, and what tests use.

pub mod prepare;
pub mod services;
#[cfg(feature = "testing")]
pub mod testing;
