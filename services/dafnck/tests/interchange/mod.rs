//! `dafnck export` and `dafnck import` as one: what goes out of a suite goes into another.

mod everything;
mod files_and_comments;
mod limits;
mod real_data;
mod round_trip;
mod tables;
mod while_writing;

use crate::harness::operator;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dafnck::export::{self, ExportOptions};
use dafnck::import::{self, ImportOptions, Progress, Report};
use dafnck::output::DryRun;
use tempfile::TempDir;
use testkit::Suite;

fn to(suite: &Suite, file: &Path) -> ExportOptions {
    ExportOptions {
        file: file.to_owned(),
        files: "files".into(),
        projects: Vec::new(),
        replace: false,
        operator: operator(suite),
    }
}

async fn import(suite: &Suite, file: &Path) -> Report {
    let mut report = Report::default();
    let options = ImportOptions {
        file: file.to_owned(),
        strict: false,
        dry_run: DryRun::default(),
        operator: operator(suite),
    };
    import::run(&options, &mut report, &Progress::hidden()).await.unwrap();
    report
}

/// An export in a directory of its own.
struct ExportedDirectory {
    directory: TempDir,
    report: export::Report,
}

impl ExportedDirectory {
    async fn of(suite: &Suite) -> Self {
        Self::with(suite, |_| {}).await
    }

    async fn with(suite: &Suite, change: impl FnOnce(&mut ExportOptions)) -> Self {
        let directory = TempDir::new().unwrap();
        let mut options = to(suite, &directory.path().join("export.jsonl"));
        change(&mut options);
        let report = export::run(&options, &Progress::hidden()).await.unwrap();
        Self { directory, report }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("export.jsonl")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// The files beside it, by their paths.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files_in(self.directory.path(), Path::new("files"))
    }
}

fn files_in(root: &Path, directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let Ok(entries) = fs::read_dir(root.join(directory)) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = directory.join(entry.unwrap().file_name());
        match root.join(&path).is_dir() {
            true => found.extend(files_in(root, &path)),
            false => drop(found.insert(path.clone(), fs::read(root.join(&path)).unwrap())),
        }
    }
    found
}

/// The first line in which two exports differ, if they do.
fn difference(one: &str, other: &str) -> Option<(String, String)> {
    let longest = one.lines().count().max(other.lines().count());
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (lines(one), lines(other));
    let at = |lines: &[String], place: usize| lines.get(place).cloned().unwrap_or_default();
    (0..longest).map(|place| (at(&one, place), at(&other, place))).find(|(one, other)| one != other)
}
