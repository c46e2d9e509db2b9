//! What somebody who waits for an import or an export sees, on standard error.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use crate::interchange::line::Kind;

/// A bar on a terminal, lines elsewhere.
pub enum Progress {
    /// A bar.
    Bar(ProgressBar),
    /// A line at the beginning of each kind.
    Lines,
    /// Nothing.
    Silent,
}

impl Progress {
    /// As standard error is a terminal or not.
    pub fn on_standard_error() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        Self::Bar(ProgressBar::no_length())
    }

    /// Something is done with so many of a kind, if it is known how many.
    pub(crate) fn begin(&self, doing: &str, kind: Kind, total: Option<u64>) {
        match (self, total) {
            (Self::Bar(bar), Some(total)) => {
                bar.reset();
                bar.set_style(style("{msg:12} [{bar:40}] {human_pos} of {human_len}"));
                bar.set_length(total);
                bar.set_message(kind.plural());
            }
            (Self::Bar(bar), None) => {
                bar.reset();
                bar.set_style(style("{msg:12} {human_pos}"));
                bar.set_message(kind.plural());
            }
            (Self::Lines, Some(total)) => eprintln!("{doing} {total} {}", kind.plural()),
            (Self::Lines, None) => eprintln!("{doing} {}", kind.plural()),
            (Self::Silent, _) => {}
        }
    }

    /// So many more are done.
    pub(crate) fn advance(&self, lines: u64) {
        if let Self::Bar(bar) = self {
            bar.inc(lines);
        }
    }

    /// All is done.
    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Whoever reads standard output wants no more of it, as `head` after its last line.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct OutputClosed;

/// As `println!`, in a function that can fail: a closed output ends the command instead of a panic.
macro_rules! print_line {
    ($($arguments:tt)*) => { crate::progress::write_line(format_args!($($arguments)*))? };
}
pub(crate) use print_line;

/// See [`print_line`].
pub(crate) fn write_line(line: fmt::Arguments<'_>) -> anyhow::Result<()> {
    tell_closed(writeln!(io::stdout(), "{line}"))
}

/// Writes a whole file to standard output.
pub(crate) fn write_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    tell_closed(io::stdout().write_all(bytes))
}

fn tell_closed(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        written => Ok(written?),
    }
}

/// Tells the person at the terminal what happens.
pub(crate) fn say(sentence: &str) {
    eprintln!("{sentence}");
}
