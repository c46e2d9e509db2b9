//! Accounts.

mod directory;

pub use directory::Directory;
