//! The task service over the real wire.

mod create;
