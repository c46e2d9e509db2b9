//! `dafnck`: the suite on this machine, and the operator's commands.

use std::process::ExitCode;
use std::time::Duration;

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
use dafnck::help;
use dafnck::import::{self, ImportOptions, RefusedLines};
use dafnck::maintain::{self, MaintainOptions};
use dafnck::manual::{self, CompletionsOptions, ManOptions};
use dafnck::migrations::{self, MigrateOptions};
use dafnck::operator::OperatorOptions;
use dafnck::output::{self, InterruptError, OutputClosed, OutputOptions};
use dafnck::reference::{self, ReferenceOptions};
use dafnck::restore::drill::{self, DrillOptions};
use dafnck::restore::{self, RestoreOptions};
use dafnck::rotate_keys;
use dafnck::run::{self, RunOptions};
use dafnck::user::{self, UserOptions};
use tokio::signal::unix::{SignalKind, signal};

/// As a shell shows the end by SIGPIPE.
const SIGPIPE_EXIT_CODE: u8 = 128 + 13;
/// As a shell shows the end by SIGINT.
const INTERRUPTED: u8 = 128 + 2;
const LINES_REFUSED: u8 = 3;
const FAILED: u8 = 1;
/// How long a command that was interrupted may take to end.
const INTERRUPTION_TIMEOUT: Duration = Duration::from_secs(1);

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// DafnckMachine: identity, projects, tasks and documents over gRPC. Without a command, the whole suite runs on this
/// machine until Ctrl-C, on private PostgreSQL and Redis servers.
#[derive(Parser)]
#[command(name = "dafnck", version, subcommand_negates_reqs = true, after_help = help::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole suite on this machine until Ctrl-C (the default)
    Run(Box<RunOptions>),
    /// Apply migrations to a database, take them back, or show where it stands
    Migrate(MigrateOptions),
    /// Import users, projects, tasks, documents and what belongs to them
    #[command(after_long_help = import::HELP)]
    Import(ImportOptions),
    /// Export users, projects, tasks, documents and what belongs to them
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
    /// Keep copies of attachments at a second place, put them back, and check them
    #[command(after_long_help = files::HELP)]
    Files(FilesOptions),
    /// Find out whether the backup can be restored, by restoring it for a moment
    Drill(DrillOptions),
    /// Sign everybody out: end all sessions, API tokens and codes
    #[command(after_long_help = end_sessions::HELP)]
    EndSessions(EndSessionsOptions),
    /// Ask services whether they are ready
    Health(HealthOptions),
    /// Look at everything that keeps the suite well, and say what to do
    Doctor(DoctorOptions),
    /// Write the descriptor set of the API, for grpcurl, buf and generators of clients
    #[command(after_long_help = descriptors::HELP)]
    Descriptors(DescriptorsOptions),
    /// Write the reference of the API as Markdown and HTML
    #[command(after_long_help = reference::HELP)]
    Reference(ReferenceOptions),
    /// Do regular work on the databases: measure, analyze, rebuild bloated indexes
    Maintain(MaintainOptions),
    /// Measure what the suite does in a second, beside PostgreSQL alone and gRPC alone
    Bench(BenchOptions),
    /// Write what completes commands and options in a shell
    Completions(CompletionsOptions),
    /// Write manual pages, one for each command
    Man(ManOptions),
}

fn main() -> ExitCode {
    let cli: Cli = match shared::command_line::try_parse_with(help::arrange(Cli::command())) {
        Ok(cli) => cli,
        Err(refusal) => return refuse(&refusal),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start threads")),
    };
    let code = runtime.block_on(run_command(cli)).unwrap_or_else(|error| fail(&error));
    // A thread may still wait for standard input.
    runtime.shutdown_timeout(INTERRUPTION_TIMEOUT);
    code
}

/// A command line that makes no sense; or one that asks for help, which is printed.
fn refuse(refusal: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().any(|word| word == "--json");
    let code = u8::try_from(refusal.exit_code()).unwrap_or(FAILED);
    match refusal.use_stderr() && is_json {
        true => output::fail_as(true, &anyhow::anyhow!(sentence_of(refusal)), code),
        // Nobody needs to read it.
        false => refusal.print().unwrap_or_default(),
    }
    ExitCode::from(code)
}

/// What is wrong, without the usage that follows it.
fn sentence_of(refusal: &clap::Error) -> String {
    let text = refusal.to_string();
    let sentence = text.split("\n\n").next().unwrap_or_default();
    sentence.trim_start_matches("error: ").trim_end().to_owned()
}

fn fail(error: &anyhow::Error) -> ExitCode {
    if error.is::<OutputClosed>() {
        return ExitCode::from(SIGPIPE_EXIT_CODE);
    }
    let code = match error {
        error if error.is::<RefusedLines>() => LINES_REFUSED,
        error if error.is::<InterruptError>() => INTERRUPTED,
        _ => FAILED,
    };
    output::fail(error, code);
    ExitCode::from(code)
}

async fn run_command(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { command, output, run } = cli;
    let command = command.unwrap_or_else(|| Command::Run(Box::new(run)));
    output::install(output, matches!(command, Command::Run(_)));
    if command.is_server() {
        return dispatch(command).await;
    }
    // From here on, also before the first step of the command.
    let mut interrupts = signal(SignalKind::interrupt())?;
    tokio::select! {
        outcome = dispatch(command) => outcome,
        _ = interrupts.recv() => Err(InterruptError.into()),
    }
}

impl Command {
    /// Whether it goes on until it is told to end, in an order of its own.
    fn is_server(&self) -> bool {
        match self {
            Self::Run(_) => true,
            Self::Maintain(options) => options.is_server(),
            Self::Backup(options) => options.is_server(),
            _ => false,
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
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
        Command::Completions(options) => manual::write_completions(help::arrange(Cli::command()), &options),
        Command::Man(options) => manual::write_pages(help::arrange(Cli::command()), &options),
    }
    .map(|()| ExitCode::SUCCESS)
}
