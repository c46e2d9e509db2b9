//! `dafnck`: the suite on this machine, and the operator's commands.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use dafnck::backup::{self, BackupOptions};
use dafnck::bench::{self, BenchOptions};
use dafnck::descriptors::{self, DescriptorsOptions};
use dafnck::dev_ca::{self, DevCaOptions};
use dafnck::doctor::{self, DoctorOptions};
use dafnck::end_sessions::{self, EndSessionsOptions};
use dafnck::export::{self, ExportOptions};
use dafnck::files::{self, FilesOptions};
use dafnck::health::{self, HealthOptions};
use dafnck::import::{self, ImportOptions};
use dafnck::maintain::{self, MaintainOptions};
use dafnck::manual::{self, CompletionsOptions, ManOptions};
use dafnck::migrations::{self, MigrateOptions};
use dafnck::operator::OperatorOptions;
use dafnck::progress::OutputClosed;
use dafnck::reference::{self, ReferenceOptions};
use dafnck::restore::drill::{self, DrillOptions};
use dafnck::restore::{self, RestoreOptions};
use dafnck::rotate_keys;
use dafnck::run::{self, RunOptions};
use dafnck::user::{self, UserOptions};

/// As a shell shows the end by SIGPIPE.
const OUTPUT_CLOSED: u8 = 128 + 13;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// DafnckMachine: identity, projects, tasks and documents over gRPC. Without a command, the whole suite runs on this
/// machine until Ctrl-C, on private PostgreSQL and Redis servers.
#[derive(Parser)]
#[command(name = "dafnck", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole suite on this machine until Ctrl-C (the default)
    Run(Box<RunOptions>),
    /// Bring a database up to date, take migrations back, or show where it stands
    Migrate(MigrateOptions),
    /// Take over users, projects, members, tasks, dependencies, documents, versions and files from a JSON Lines file
    #[command(after_long_help = import::HELP)]
    Import(ImportOptions),
    /// Write users, projects, members, tasks, dependencies, documents, versions and files as `dafnck import` takes them
    #[command(after_long_help = export::HELP)]
    Export(ExportOptions),
    /// Encrypt personal data again under the current key of the identity service
    #[command(after_long_help = rotate_keys::HELP)]
    RotateKeys(OperatorOptions),
    /// List, suspend, reactivate, delete and erase accounts
    User(UserOptions),
    /// Make an authority for development, and certificates of it for all services
    DevCa(DevCaOptions),
    /// Back the suite that runs on this machine up: database, files and keys
    #[command(after_long_help = backup::HELP)]
    Backup(BackupOptions),
    /// Restore a backed up suite as it was at a moment, in a fresh directory
    #[command(after_long_help = restore::HELP)]
    Restore(RestoreOptions),
    /// Keep copies of attachments where databases are backed up by other means, put them back, and check them
    #[command(after_long_help = files::HELP)]
    Files(FilesOptions),
    /// Find out whether the backup can be restored, by restoring it in a directory that goes away again
    Drill(DrillOptions),
    /// Sign everybody out: end all sessions, API tokens and codes, as after a database was restored by hand
    #[command(after_long_help = end_sessions::HELP)]
    EndSessions(EndSessionsOptions),
    /// Ask services whether they are ready
    Health(HealthOptions),
    /// Look at everything that keeps the suite well, and say what to do. Exit code 0: all is well, 1: warnings, 2: critical
    Doctor(DoctorOptions),
    /// Write the descriptor set of the API as a file, for grpcurl, buf and generators of clients
    #[command(after_long_help = descriptors::HELP)]
    Descriptors(DescriptorsOptions),
    /// Write the reference of the API: methods, messages, limits, errors, permissions and scopes, as Markdown and HTML
    #[command(after_long_help = reference::HELP)]
    Reference(ReferenceOptions),
    /// Do what the databases need from time to time: measure, analyze, build bloated indexes anew. Safe to run twice
    Maintain(MaintainOptions),
    /// Measure what the suite does in a second, beside PostgreSQL alone and gRPC alone
    Bench(BenchOptions),
    /// Write what completes commands and options in a shell, as `dafnck completions bash >/etc/bash_completion.d/dafnck`
    Completions(CompletionsOptions),
    /// Write manual pages, one for each command
    Man(ManOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run_command(shared::command_line::parse()).await {
        Ok(code) => code,
        Err(error) if error.is::<OutputClosed>() => ExitCode::from(OUTPUT_CLOSED),
        Err(error) => {
            eprintln!("dafnck: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { command, run } = cli;
    match command.unwrap_or_else(|| Command::Run(Box::new(run))) {
        Command::Run(options) => run::command(*options).await,
        Command::Migrate(options) => migrations::command(options).await,
        Command::Import(options) => import::command(&options).await,
        Command::Export(options) => export::command(&options).await,
        Command::RotateKeys(options) => rotate_keys::command(&options).await,
        Command::User(options) => user::command(options).await,
        Command::DevCa(options) => dev_ca::command(&options),
        Command::Backup(options) => backup::command(&options).await,
        Command::Restore(options) => restore::command(&options).await,
        Command::Files(options) => files::command(&options).await,
        Command::Drill(options) => drill::command(&options).await,
        Command::EndSessions(options) => end_sessions::command(&options).await,
        Command::Health(options) => health::command(&options).await,
        Command::Doctor(options) => return doctor::command(&options).await,
        Command::Descriptors(options) => descriptors::command(&options),
        Command::Reference(options) => reference::command(&options),
        Command::Maintain(options) => maintain::command(&options).await,
        Command::Bench(options) => bench::command(options).await,
        Command::Completions(options) => manual::write_completions(Cli::command(), &options),
        Command::Man(options) => manual::write_pages(Cli::command(), &options),
    }
    .map(|()| ExitCode::SUCCESS)
}
