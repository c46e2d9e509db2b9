//! `dafnck convert`: turns data of other origins into files for `dafnck import`.

pub mod eips;

use clap::{Args, Subcommand};

use eips::EipsOptions;

/// What is converted.
#[derive(Args, Debug)]
pub struct ConvertOptions {
    #[command(subcommand)]
    origin: Origin,
}

#[derive(Subcommand, Debug)]
enum Origin {
    /// Ethereum Improvement Proposals: authors become users, categories projects, proposals tasks with documents
    Eips(EipsOptions),
}

/// Converts and prints what came out.
///
/// # Errors
/// When the input cannot be read or the output not written.
pub fn command(options: &ConvertOptions) -> anyhow::Result<()> {
    match &options.origin {
        Origin::Eips(options) => eips::command(options),
    }
}
