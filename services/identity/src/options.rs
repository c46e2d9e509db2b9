//! The options of this service.

use clap::{Args, ValueEnum};

use crate::encryption::KeyRingOptions;
use crate::passwords::PasswordOptions;
use crate::sessions::SessionOptions;

/// The options of this service alone.
#[derive(Args, Clone, Debug, Default)]
pub struct IdentityOptions {
    #[command(flatten)]
    pub keys: KeyRingOptions,
    #[command(flatten)]
    pub passwords: PasswordOptions,
    #[command(flatten)]
    pub sessions: SessionOptions,
    /// How accounts are made: `direct`, in one call, which tells anybody whether an address has an account; or
    /// `confirmed`, in two, with a code from a mail between them
    #[arg(long, env = "DAFNCK_REGISTRATION", value_enum, default_value_t)]
    pub registration: RegistrationMode,
}

/// How accounts are created.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistrationMode {
    /// In one call, which tells anybody whether an address has an account.
    Direct,
    /// In two calls, with proof of the address between them.
    #[default]
    Confirmed,
}
