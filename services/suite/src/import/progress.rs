//! What somebody who waits for an import sees, on standard error.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::line::Kind;

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
        if !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{msg:12} [{bar:40}] {human_pos} of {human_len}");
        Self::Bar(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    pub(super) fn begin(&self, kind: Kind, total: u64) {
        match self {
            Self::Bar(bar) => {
                bar.reset();
                bar.set_length(total);
                bar.set_message(kind.plural());
            }
            Self::Lines => eprintln!("storing {total} {}", kind.plural()),
            Self::Silent => {}
        }
    }

    pub(super) fn advance(&self, lines: u64) {
        if let Self::Bar(bar) = self {
            bar.inc(lines);
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
