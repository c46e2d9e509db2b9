//! A database that goes up through the releases, and down again, with rows of each of them in it.

mod breaking_changes;
mod command;
mod limits;
mod locks;
mod next_release;
mod preflight;
mod row_preservation;
mod rows;
