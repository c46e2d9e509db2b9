//! How far an import or an export is: a bar on a terminal, nothing elsewhere.

use indicatif::ProgressBar;

use crate::interchange::line::Kind;
use crate::output::{self, style};

/// How far it is.
pub struct Progress(ProgressBar);

impl Progress {
    /// On standard error, where steps are told.
    pub fn of_command() -> Self {
        Self(output::progress_bar())
    }

    /// Nothing to be seen.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Something begins with so many of a kind, if it is known how many.
    pub(crate) fn begin(&self, kind: Kind, total: Option<u64>) {
        let Self(bar) = self;
        bar.reset();
        bar.set_message(kind.plural());
        match total {
            Some(total) => {
                bar.set_style(style("{msg:12} [{bar:40}] {human_pos} of {human_len}"));
                bar.set_length(total);
            }
            None => bar.set_style(style("{msg:12} {human_pos}")),
        }
    }

    /// So many more are done.
    pub(crate) fn advance(&self, count: u64) {
        self.0.inc(count);
    }

    /// So many of so many are done.
    pub(crate) fn reach(&self, count: u64, total: u64) {
        let Self(bar) = self;
        bar.set_style(style("[{bar:40}] {human_pos} of {human_len}"));
        bar.set_length(total);
        bar.set_position(count);
    }

    /// All is done.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
