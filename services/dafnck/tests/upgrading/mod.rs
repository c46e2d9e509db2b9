//! A database that goes up through the releases, and down again, with rows of each of them in it.

mod carrying;
mod command;
mod limits;
mod locks;
mod next_release;
mod offending;
mod rows;
mod tightening;
