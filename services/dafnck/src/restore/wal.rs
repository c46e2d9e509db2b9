//! The newest WAL, which arrives while a restore copies: Barman restores what had been taken over when it began.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use local_servers::Barman;

use super::COPY_TIMEOUT;
use crate::backup::catalog::{self, BaseBackup, WalSegment};
use crate::backup::directory::{BackupDirectory, SERVER};

const PARTIAL: &str = ".partial";

/// Adds to what Barman has restored the segments that it leaves where they arrive, the unfinished one included, and those
/// that were taken over meanwhile. Segments move in one direction, so each is found at one of both places.
pub(super) async fn copy_newest(
    directory: &BackupDirectory,
    backup: &BaseBackup,
    barman: &Barman,
    to: &Path,
) -> anyhow::Result<()> {
    let newest = segments_in(to)?.pop_last();
    while !copy_received(&directory.received_log(), to)? {}
    let taken_over = segments_in(&directory.log())?;
    let is_missing = |name: &&String| match &newest {
        Some(newest) => *name > newest,
        None => WalSegment::of(name) >= Some(backup.begin_wal),
    };
    let target = to.to_str().context("the path is not UTF-8")?;
    for name in taken_over.iter().filter(is_missing) {
        let got = barman.call(&["get-wal", "--output-directory", target, SERVER, name], COPY_TIMEOUT).await;
        got.with_context(|| format!("Barman could not restore the WAL segment {name}"))?;
    }
    Ok(())
}

/// The names of whole segments below a directory.
fn segments_in(directory: &Path) -> anyhow::Result<BTreeSet<String>> {
    let paths = catalog::files_below(directory)?.into_iter();
    let names = paths.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    Ok(names.filter(|name| WalSegment::of(name).is_some() && !name.ends_with(PARTIAL)).collect())
}

/// Copies what has arrived. False if a segment got its final name, or was taken over, before it was copied.
fn copy_received(from: &Path, to: &Path) -> anyhow::Result<bool> {
    let mut is_complete = true;
    for path in catalog::files_below(from)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if WalSegment::of(&name).is_none() {
            continue;
        }
        let copy = to.join(name.trim_end_matches(PARTIAL));
        match fs::copy(&path, &copy) {
            Err(error) if error.kind() == ErrorKind::NotFound => is_complete = false,
            copied => {
                copied.with_context(|| format!("cannot copy {} to {}", path.display(), copy.display()))?;
            }
        }
    }
    Ok(is_complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "000000010000000000000004";
    const SECOND: &str = "000000010000000000000005";

    #[test]
    fn segments_are_copied_under_their_final_names() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for name in [FIRST, &format!("{SECOND}{PARTIAL}"), "00000002.history", "archive_status"] {
            fs::write(from.path().join(name), name).unwrap();
        }
        assert!(copy_received(from.path(), to.path()).unwrap());
        let copied: Vec<String> = segments_in(to.path()).unwrap().into_iter().collect();
        assert_eq!(copied, [FIRST, SECOND]);
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_segment_that_is_gone_before_it_is_copied_is_looked_for_again() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink("/no/such/file", from.path().join(FIRST)).unwrap();
        assert!(!copy_received(from.path(), to.path()).unwrap());
    }
}
