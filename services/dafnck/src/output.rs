//! What a command says. Results go to standard output, for people or as JSON; steps and progress go to standard error, and
//! only to a terminal. The process has one output, as it has one log: `main` installs it, and without that (as in tests)
//! results are for people and steps are not told.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error_report::ErrorReport;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

static OUTPUT: OnceLock<Output> = OnceLock::new();

/// How a command says what it has done; the same for all commands, before and after their names.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct OutputOptions {
    /// Print results and errors as JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but errors and data that was asked for: the exit code tells the rest
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// Where the steps of a command are told.
#[derive(Default)]
enum Steps {
    /// A spinner with the last step, on a terminal.
    Spinner(ProgressBar),
    /// A line for each, as the log of a server.
    Lines,
    #[default]
    Nowhere,
}

#[derive(Default)]
struct Output {
    options: OutputOptions,
    steps: Steps,
}

/// Installs the output of this process, once. `is_server` for a command that goes on until it is told to stop.
pub fn install(options: OutputOptions, is_server: bool) {
    let steps = match (options.quiet, is_server) {
        (true, _) => Steps::Nowhere,
        (false, true) => Steps::Lines,
        (false, false) if io::stderr().is_terminal() => Steps::Spinner(blank_bar()),
        (false, false) => Steps::Nowhere,
    };
    OUTPUT.get_or_init(|| Output { options, steps });
}

fn output() -> &'static Output {
    OUTPUT.get_or_init(Output::default)
}

/// The outcome of a command: JSON, or its text unless the command is to be quiet.
pub(crate) fn report<T: Serialize + Display>(outcome: &T) -> anyhow::Result<()> {
    clear_steps();
    match output().options {
        OutputOptions { json: true, .. } => write_line(format_args!("{}", serde_json::to_string(outcome)?)),
        OutputOptions { quiet: true, .. } => Ok(()),
        _ => write(format_args!("{outcome}")),
    }
}

/// As [`report`], on standard error: standard output has the data.
pub(crate) fn report_beside_data<T: Serialize + Display>(outcome: &T) -> anyhow::Result<()> {
    clear_steps();
    match output().options {
        OutputOptions { json: true, .. } => warn(&serde_json::to_string(outcome)?),
        OutputOptions { quiet: true, .. } => {}
        _ => warn(outcome.to_string().trim_end()),
    }
    Ok(())
}

/// One thing of many that were asked for: a line of JSON or of text.
pub(crate) fn item<T: Serialize>(thing: &T, text: impl Display) -> anyhow::Result<()> {
    clear_steps();
    match output().options.json {
        true => write_line(format_args!("{}", serde_json::to_string(thing)?)),
        false => write_line(format_args!("{text}")),
    }
}

/// Tells what happens next, to whoever waits for it.
pub(crate) fn say(sentence: &str) {
    match &output().steps {
        Steps::Lines => warn(sentence),
        Steps::Spinner(spinner) => {
            if spinner.is_finished() || spinner.message().is_empty() {
                spinner.reset();
                spinner.set_style(style("{spinner} {msg} {elapsed}"));
                spinner.enable_steady_tick(TICK);
            }
            spinner.set_message(sentence.to_owned());
        }
        Steps::Nowhere => {}
    }
}

/// Tells what somebody should know although the command goes on. Nobody needs to read standard error.
pub(crate) fn warn(sentence: &str) {
    let write = || {
        let _closed = writeln!(io::stderr(), "{sentence}");
    };
    match &output().steps {
        Steps::Spinner(spinner) => spinner.suspend(write),
        Steps::Lines | Steps::Nowhere => write(),
    }
}

/// Tells why the command failed: in words, or with `--json` as one object on the last line.
pub fn fail(error: &anyhow::Error, exit_code: u8) {
    clear_steps();
    fail_as(output().options.json, error, exit_code);
}

/// The same, of a command line that could not be read, so that this process has no output yet.
pub fn fail_as(json: bool, error: &anyhow::Error, exit_code: u8) {
    let report = json.then(|| serde_json::to_string(&ErrorReport::new(error, exit_code)));
    match report {
        Some(Ok(report)) => warn(&report),
        _ => warn(&format!("dafnck: {error:#}")),
    }
}

/// A bar for what is counted: to be seen where steps are.
pub(crate) fn progress_bar() -> ProgressBar {
    clear_steps();
    match &output().steps {
        Steps::Spinner(_) => blank_bar(),
        Steps::Lines | Steps::Nowhere => ProgressBar::hidden(),
    }
}

/// Shows nothing before its first style and message.
fn blank_bar() -> ProgressBar {
    ProgressBar::no_length().with_style(style("{msg}"))
}

pub(crate) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn clear_steps() {
    if let Steps::Spinner(spinner) = &output().steps {
        spinner.finish_and_clear();
    }
}

/// For a command that destroys something.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Confirmation {
    /// Do it without asking
    #[arg(long, short)]
    pub yes: bool,
}

impl Confirmation {
    /// Asks the person at the terminal.
    ///
    /// # Errors
    /// When the person does not want it, or there is nobody to ask.
    pub(crate) async fn require(self, what: &str) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        let is_attended = io::stdin().is_terminal() && io::stderr().is_terminal();
        ensure!(is_attended, "{what}: give --yes to do it");
        clear_steps();
        write!(io::stderr(), "{what}. Go on? [y/N] ").context("cannot ask")?;
        // On a thread of its own, so that Ctrl-C ends the command while it waits.
        let answer = tokio::task::spawn_blocking(|| io::stdin().lines().next().transpose()).await?;
        let answer = answer.context("cannot read the answer")?.unwrap_or_default();
        let is_wanted = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
        ensure!(is_wanted, "nothing was changed");
        Ok(())
    }
}

/// For a command that changes much.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct DryRun {
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Somebody pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct InterruptError;

/// Whoever reads standard output wants no more of it, as `head` after its last line.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct OutputClosed;

pub(crate) fn write_line(line: fmt::Arguments<'_>) -> anyhow::Result<()> {
    write(format_args!("{line}\n"))
}

fn write(text: fmt::Arguments<'_>) -> anyhow::Result<()> {
    tell_closed(io::stdout().write_fmt(text))
}

/// Writes a whole file to standard output.
pub(crate) fn write_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout();
    tell_closed(out.write_all(bytes).and_then(|()| out.flush()))
}

fn tell_closed(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        written => Ok(written?),
    }
}
