//! `dafnck completions` and `dafnck man`: made from the definition of the command line.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::{self, write_bytes};
use crate::written_files::WrittenFiles;

/// For which shell.
#[derive(Args, Clone, Debug)]
pub struct CompletionsOptions {
    /// The shell
    pub shell: Shell,
}

/// Where to.
#[derive(Args, Clone, Debug)]
pub struct ManOptions {
    /// Directory for the pages, created if missing
    pub directory: PathBuf,
}

/// Writes a script for a shell to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn write_completions(mut command: Command, options: &CompletionsOptions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "dafnck", &mut script);
    write_bytes(&script)
}

/// Writes the manual pages of the program and of each command.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_pages(command: Command, options: &ManOptions) -> anyhow::Result<()> {
    let directory = &options.directory;
    let cannot_write = || format!("cannot write manual pages into {}", directory.display());
    fs::create_dir_all(directory).with_context(cannot_write)?;
    clap_mangen::generate_to(command, directory).with_context(cannot_write)?;
    let files = fs::read_dir(directory).with_context(cannot_write)?.count();
    let text = format!("manual pages are in {}", directory.display());
    output::report(&WrittenFiles { path: directory.clone(), files, text })
}
