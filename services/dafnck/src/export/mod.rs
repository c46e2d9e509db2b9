//! `dafnck export`: writes what the services hold as a file of the interchange format ([`crate::interchange`]), the
//! bytes of attachments in a directory beside it.
//!
//! Promises: the same content is the same bytes; each service's part is as it was at one moment; the moments follow each
//! other in the order in which things refer to each other, so whatever is referred to is there too, or what refers to it
//! is left out; memory stays flat however slow the reader is; and there is a whole file at the end, or none.
//! Deliberately not here: password hashes, sessions, tokens, factors, invitations and the log of changes; `FORMAT.md`
//! says why.

mod files;
mod line_writer;
mod report;
mod snapshots;
mod writer;
mod written_ids;

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use uuid::Uuid;

use crate::operator::OperatorOptions;
use crate::output;
use crate::progress::Progress;
use files::Files;
use line_writer::{LineWriter, is_standard_output};
pub use report::Report;
use snapshots::Snapshots;
use writer::ExportWriter;

/// Most projects that are named.
const MAX_PROJECTS: usize = 1_000;

/// What `--help` says about the file.
pub const HELP: &str = r#"The file has one JSON object per line, as `dafnck import` takes it;
services/dafnck/src/interchange/FORMAT.md lists all fields, and what is not in
it: password hashes, sessions, tokens, second factors, invitations and the
history of changes.

The bytes of attachments are written to <files>/<two digits>/<sha256> beside
FILE, each once; those that are there already are checked and kept. With -
the lines go to standard output, and the files to the current directory.

The file holds names, addresses and places in clear. It is readable for its
owner alone.

Exit code 0: the file is complete. Exit code 1: there is no file, for example
because a project is unknown; one of that name which was there before is
untouched."#;

/// What is exported, and where to.
#[derive(Args, Clone, Debug)]
pub struct ExportOptions {
    /// JSON Lines file to write; - is standard output
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// Directory for the bytes of attachments, beside FILE
    #[arg(long, default_value = "files")]
    pub files: PathBuf,
    /// Only this project (UUID), what is in it, and the users whom it names; may be given several times
    #[arg(long = "project", value_name = "ID")]
    pub projects: Vec<Uuid>,
    /// Take the place of FILE if it is there
    #[arg(long)]
    pub replace: bool,
    /// How the services are called.
    #[command(flatten)]
    pub operator: OperatorOptions,
}

/// Exports, and says what was written: on standard error if the lines are on standard output.
///
/// # Errors
/// When there is no whole file.
pub async fn command(options: &ExportOptions) -> anyhow::Result<()> {
    let progress = Progress::of_command();
    let report = run(options, &progress).await?;
    match is_standard_output(&options.file) {
        true => output::report_beside_data(&report),
        false => output::report(&report),
    }
}

/// Exports.
///
/// # Errors
/// When there is no whole file: it cannot be written, or a service does not answer to the end.
pub async fn run(options: &ExportOptions, progress: &Progress) -> anyhow::Result<Report> {
    ensure!(options.projects.len() <= MAX_PROJECTS, "at most {MAX_PROJECTS} projects can be named");
    let services = options.operator.connect()?;
    let files = Files::beside(&options.file, &options.files, &services)?;
    let snapshots = Snapshots::open(&services, &options.projects).await?;
    let output = LineWriter::create(&options.file, options.replace)?;
    let mut writer = ExportWriter::new(output, files, !options.projects.is_empty(), progress);
    match writer.write_all(snapshots, &options.projects, &services).await {
        Ok(()) => writer.finish().await,
        Err(error) => {
            writer.abandon().await;
            Err(error)
        }
    }
}
