//! What only this service needs to run.

use clap::{Args, ValueEnum};

use crate::encryption::KeyRingOptions;
use crate::passwords::PasswordOptions;
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
    /// How accounts are made: `direct`, in one call, which tells anybody whether an address has an account; or
    /// `confirmed`, in two, with a code from a mail between them
    #[arg(long, env = "DAFNCK_REGISTRATION", value_enum, default_value_t)]
    pub registration: RegistrationMode,
}

/// How accounts are made.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistrationMode {
    /// In one call, which tells anybody whether an address has an account.
    Direct,
    /// In two calls, with proof of the address between them.
    #[default]
    Confirmed,
}
