//! The suite as a whole, over the real wire.

mod budgets;
mod catalog;
mod garbage;
mod outages;
mod reflection;
mod walk;
