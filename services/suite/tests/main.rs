//! The suite as a whole, over the real wire.

mod reflection;
