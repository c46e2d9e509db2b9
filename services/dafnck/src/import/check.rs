//! `import --dry-run`: what can be found out without the services.

use std::path::Path;

use super::attachments;
use super::file::Lines;
use super::report::{Refusal, Report};
use crate::interchange::line::{self, Kind, fields_of, kind_of};

/// Reads every line of the file, and the files that it names.
pub(super) fn all(file: &Path, directory: &Path) -> anyhow::Result<Report> {
    let mut report = Report::default();
    report.dry_run = true;
    let mut lines = Lines::open(file)?;
    while let Some(line) = lines.next()? {
        let number = line.number;
        let read = line.json.and_then(|json| Ok((kind_of(json)?, fields_of(json)?)));
        let (kind, checked) = match read {
            Ok((kind @ Kind::Attachment, fields)) => {
                (Some(kind), attachments::check(directory, number, fields))
            }
            Ok((kind, fields)) => (Some(kind), line::check(kind, fields)),
            Err(reason) => (None, Err(reason)),
        };
        match (kind, checked) {
            (Some(kind), Ok(())) => report.tallies.entry(kind).or_default().readable += 1,
            (kind, Err(reason)) => report.refuse(Refusal { kind, line: number, reason }),
            (None, Ok(())) => {}
        }
    }
    Ok(report)
}
