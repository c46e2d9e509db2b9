//! The enums of PostgreSQL that several services read, and [`pg_enum`](crate::pg_enum), which declares one.
//!
//! Each service declares its own tables. `xmin` in them is PostgreSQL's system column: the version of a row, from
//! which its etag is made.

mod enums;

pub use enums::*;
