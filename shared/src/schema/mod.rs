//! The Diesel schemas of the four services, one module per PostgreSQL schema.
//!
//! `xmin` is PostgreSQL's system column: the version of a row, from which its etag is made.

mod enums;

pub use enums::*;

pub mod content;
pub mod identity;
pub mod project;
pub mod task;
