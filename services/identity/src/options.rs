//! What only this service needs to run.

use clap::Args;

use crate::passwords::PasswordOptions;
use crate::sealing::KeyRingOptions;
use crate::sessions::SessionOptions;

/// What only this service needs to run. Every option can also be set in code.
#[derive(Args, Clone, Debug, Default)]
pub struct IdentityOptions {
    /// Keys of personal data.
    #[command(flatten)]
    pub keys: KeyRingOptions,
    /// What a password's hash costs.
    #[command(flatten)]
    pub passwords: PasswordOptions,
    /// Lifetimes and number of sessions.
    #[command(flatten)]
    pub sessions: SessionOptions,
}
