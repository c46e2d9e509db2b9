//! The identity service, over the real wire.

mod directory;
