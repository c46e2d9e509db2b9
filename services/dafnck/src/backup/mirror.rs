//! The second copy of a backup directory, on another disk or a mounted share: compared by name, size and time, and each
//! copied file by its hash.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::catalog::{base_backups, files_below};
use super::directory::BackupDirectory;
use super::files::remove_if_there;
use super::manifest::digest;

/// What only the directory itself needs: how Barman is called here, and what is half written.
fn is_own(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.components().count() == 1 && (name == "lock" || name.starts_with("barman.") || name.starts_with('.'))
        || name.starts_with(".tmp")
        || name.ends_with(".lock")
}

/// Makes the second directory equal, beside whatever else the process does. What the first no longer holds goes last, and only
/// while the first holds a whole base backup: a disk that was lost is not copied.
///
/// # Errors
/// When a file cannot be copied; what was copied stays.
pub async fn copy(directory: &BackupDirectory, second: &Path) -> anyhow::Result<()> {
    let (directory, second) = (directory.clone(), second.to_owned());
    tokio::task::spawn_blocking(move || copy_all(&directory, &second)).await?
}

fn copy_all(directory: &BackupDirectory, second: &Path) -> anyhow::Result<()> {
    ensure!(
        !base_backups(directory)?.is_empty(),
        "{} holds no whole base backup",
        directory.root().display()
    );
    DirBuilder::new().recursive(true).mode(0o700).create(second)?;
    let directories = directories_below(directory.root())?;
    for name in &directories {
        // Also empty ones: a database does not start without its own.
        DirBuilder::new().recursive(true).mode(0o700).create(second.join(name))?;
    }
    let wanted = loop {
        let wanted = names(directory.root())?;
        let mut all_there = true;
        for name in &wanted {
            all_there &= copy_file(&directory.root().join(name), &second.join(name))?;
        }
        if all_there {
            break wanted;
        }
    };
    for name in names(second)?.difference(&wanted) {
        remove_if_there(&second.join(name))?;
    }
    // The innermost first.
    for name in directories_below(second)?.iter().rev().filter(|name| !directories.contains(*name)) {
        fs::remove_dir(second.join(name))?;
    }
    Ok(())
}

fn directories_below(root: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.insert(entry.path().strip_prefix(root)?.to_owned());
                waiting.push(entry.path());
            }
        }
    }
    Ok(found)
}

fn names(root: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut names = BTreeSet::new();
    for path in files_below(root)? {
        let name = path.strip_prefix(root)?.to_owned();
        if !is_own(&name) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// False if there is nothing to copy any more: a segment that was being received when the names were read is whole now,
/// and has another name.
fn copy_file(from: &Path, to: &Path) -> anyhow::Result<bool> {
    let copy = || -> anyhow::Result<bool> {
        let source = match fs::metadata(from) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            source => source?,
        };
        let there = fs::metadata(to).ok();
        let is_same = |there: &fs::Metadata| {
            there.len() == source.len() && there.modified().ok() == source.modified().ok()
        };
        if there.as_ref().is_some_and(is_same) {
            return Ok(true);
        }
        let parent = to.parent().context("a file is in a directory")?;
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        let unfinished = tempfile::NamedTempFile::new_in(parent)?;
        let copied = fs::copy(from, unfinished.path())?;
        unfinished.as_file().sync_all()?;
        // A WAL segment that is being written has grown meanwhile: what there was is what counts.
        if from.extension().is_none_or(|extension| extension != "partial") {
            ensure!(
                copied == source.len() && digest(from)? == digest(unfinished.path())?,
                "the copy is not equal: is the disk failing?"
            );
        }
        File::options().write(true).open(unfinished.path())?.set_modified(source.modified()?)?;
        unfinished.persist(to)?;
        Ok(true)
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// How long the disk of the test takes for one file.
    const SLOWLY: Duration = Duration::from_secs(2);

    /// A directory, and what tells that it has a base backup.
    fn with_a_base_backup(root: &Path) -> (BackupDirectory, PathBuf) {
        let directory = BackupDirectory::make(root).unwrap();
        let meta = directory.server().join("meta");
        fs::create_dir_all(&meta).unwrap();
        let info = meta.join("1-backup.info");
        let text = "status=DONE\nbegin_wal=000000010000000000000004\nend_time=2026-11-25 01:36:36.2+00:00\nsize=1\nsystemid=7\ntimeline=1\n";
        fs::write(&info, text).unwrap();
        (directory, info)
    }

    /// On one thread, where nothing else goes on while somebody waits for a disk.
    #[tokio::test]
    async fn the_process_goes_on_while_a_slow_disk_is_copied() {
        let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (directory, _) = with_a_base_backup(first.path());
        let pipe = first.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Who opens it waits for the other end; as a file it is then refused.
        let other_end = std::thread::spawn(move || {
            std::thread::sleep(SLOWLY);
            drop(File::options().write(true).open(pipe).unwrap());
        });
        let start = Instant::now();
        let (copied, went_on) = tokio::join!(copy(&directory, second.path()), async { start.elapsed() });
        assert!(copied.is_err() && start.elapsed() >= SLOWLY, "the disk was slow");
        assert!(went_on < SLOWLY / 2, "nothing went on for {went_on:?}");
        other_end.join().unwrap();
    }

    #[test]
    fn the_mirror_follows_and_is_not_emptied_by_a_loss() {
        let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (directory, info) = with_a_base_backup(first.path());
        for name in ["a", "b", "lock", "barman.passfile"] {
            fs::write(first.path().join(name), name).unwrap();
        }
        fs::create_dir_all(first.path().join("old/empty")).unwrap();
        copy_all(&directory, second.path()).unwrap();
        assert!(second.path().join("old/empty").is_dir());
        fs::remove_dir_all(first.path().join("old")).unwrap();
        fs::remove_file(first.path().join("b")).unwrap();
        fs::write(first.path().join("a"), "changed").unwrap();
        copy_all(&directory, second.path()).unwrap();

        assert_eq!(fs::read_to_string(second.path().join("a")).unwrap(), "changed");
        for gone in ["b", "old", "lock", "barman.passfile"] {
            assert!(!second.path().join(gone).exists(), "{gone}");
        }
        fs::remove_file(&info).unwrap();
        assert!(copy_all(&directory, second.path()).is_err() && second.path().join("a").exists());
    }
}
