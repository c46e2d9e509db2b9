//! What a backup directory holds: base backups, and WAL from each of them on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::directory::BackupDirectory;
use super::manifest::{Entry, Manifest, digest};

/// A base backup that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaseBackup {
    /// As Barman calls it.
    pub id: String,
    /// When it was complete. From here on any moment can be restored.
    pub end_time: DateTime<Utc>,
    /// The first WAL segment that it needs.
    #[serde(skip)]
    pub begin_wal: WalSegment,
    /// Bytes of the database.
    pub size: u64,
    /// Which database, in which of its lives: a restored one begins another.
    #[serde(skip)]
    pub incarnation: DatabaseIncarnation,
}

/// The system identifier of a database, and its timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseIncarnation {
    /// Made with the database.
    pub system: String,
    /// Counted on by every restore.
    pub timeline: i32,
}

/// The place of a WAL segment, whatever its timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalSegment(u64);

/// Pieces of 16 MiB in 4 GiB: what PostgreSQL makes unless told otherwise.
const PIECES_PER_FILE: u64 = 256;
const NAME_LENGTH: usize = 24;

impl WalSegment {
    /// The piece of a file, finished or partial, compressed or not; `None` for other files, as histories.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.strip_suffix(".partial").unwrap_or(name);
        if name.len() != NAME_LENGTH || !name.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let file = u64::from_str_radix(name.get(8..16)?, 16).ok()?;
        let piece = u64::from_str_radix(name.get(16..)?, 16).ok()?;
        Some(Self(file * PIECES_PER_FILE + piece))
    }
}

impl std::fmt::Display for WalSegment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:08X}{:08X}", self.0 / PIECES_PER_FILE, self.0 % PIECES_PER_FILE)
    }
}

/// The whole base backups, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn base_backups(directory: &BackupDirectory) -> anyhow::Result<Vec<BaseBackup>> {
    let mut backups = Vec::new();
    for path in files_below(&directory.server().join("meta"))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(id) = name.strip_suffix("-backup.info") else { continue };
        let text = fs::read_to_string(&path)?;
        backups.extend(parse(id, &text).with_context(|| format!("{} is damaged", path.display()))?);
    }
    backups.sort_by_key(|backup| backup.end_time);
    Ok(backups)
}

/// A backup as Barman describes it; `None` if it is not whole.
fn parse(id: &str, text: &str) -> anyhow::Result<Option<BaseBackup>> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).context(name.to_owned())
    };
    if field("status")? != "DONE" {
        return Ok(None);
    }
    let end_time = DateTime::parse_from_str(field("end_time")?, "%Y-%m-%d %H:%M:%S%.f%:z")?;
    Ok(Some(BaseBackup {
        id: id.to_owned(),
        end_time: end_time.to_utc(),
        begin_wal: WalSegment::of(field("begin_wal")?).context("begin_wal")?,
        size: field("size")?.parse().unwrap_or_default(),
        incarnation: DatabaseIncarnation {
            system: field("systemid")?.to_owned(),
            timeline: field("timeline")?.parse()?,
        },
    }))
}

/// Notes size and hash of the WAL segments that are finished since the last time, and forgets those that are gone.
///
/// # Errors
/// When the directory cannot be read or written.
pub fn record_wal(directory: &BackupDirectory) -> anyhow::Result<()> {
    let mut manifest = Manifest::open(&directory.wal_manifest())?;
    let root = directory.log();
    let mut there = BTreeSet::new();
    for path in files_below(&root)? {
        let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
        // The rest are Barman's own notes.
        if path.file_name().is_none_or(|name| WalSegment::of(&name.to_string_lossy()).is_none()) {
            continue;
        }
        if !manifest.entries().contains_key(&name) {
            let (size, sha256) = digest(&path)?;
            manifest.note(Entry { path: name.clone(), size, sha256, gone_at: None, removed: false })?;
        }
        there.insert(name);
    }
    let gone: Vec<Entry> =
        manifest.entries().values().filter(|entry| !there.contains(&entry.path)).cloned().collect();
    for entry in gone {
        manifest.note(Entry { removed: true, ..entry })?;
    }
    manifest.sync()
}

/// Whether no finished WAL segment has been taken over yet.
///
/// # Errors
/// When the manifest cannot be read.
pub fn has_no_wal(directory: &BackupDirectory) -> anyhow::Result<bool> {
    Ok(Manifest::read(&directory.wal_manifest())?.is_empty())
}

/// Refuses a log with a gap or a changed piece after this base backup.
///
/// # Errors
/// What is missing or damaged.
pub fn check_wal(directory: &BackupDirectory, backup: &BaseBackup) -> anyhow::Result<()> {
    let manifest = Manifest::read(&directory.wal_manifest())?;
    let mut pieces = BTreeSet::new();
    // In the order in which a segment moves, so that one that is taken over meanwhile is seen.
    for place in [directory.received_log(), directory.log()] {
        for path in files_below(&place)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(piece) = WalSegment::of(&name).filter(|piece| *piece >= backup.begin_wal) else {
                continue;
            };
            pieces.insert(piece);
            let known = path
                .strip_prefix(directory.log())
                .ok()
                .and_then(|name| manifest.get(&*name.to_string_lossy()));
            if let Some(known) = known {
                let (size, sha256) = digest(&path)?;
                ensure!(
                    (size, &sha256) == (known.size, &known.sha256),
                    "{} is damaged: it is not what was backed up",
                    path.display()
                );
            }
        }
    }
    let mut wanted = backup.begin_wal;
    for piece in pieces {
        if piece != wanted {
            bail!("WAL has a gap: {wanted} is missing before {piece}, after the base backup {}", backup.id);
        }
        wanted = WalSegment(piece.0 + 1);
    }
    ensure!(wanted != backup.begin_wal, "WAL of the base backup {} is missing: {wanted}", backup.id);
    Ok(())
}

/// Every file below a directory; none if it is not there.
pub(crate) fn files_below(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        let entries = match fs::read_dir(&next) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("cannot read {}", next.display()))?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_the_log_follow_each_other_over_files_and_timelines() {
        let piece = |name| WalSegment::of(name).unwrap();
        assert_eq!(piece("0000000100000000000000FF").0 + 1, piece("000000020000000100000000").0);
        assert_eq!(piece("00000001000000010000000A.partial"), piece("00000002000000010000000A"));
        assert_eq!(piece("00000001000000010000000A").to_string(), "000000010000000A");
        for other in ["00000002.history", "main-xlog.db", "000000010000000000000004.00000028.backup", ""] {
            assert_eq!(WalSegment::of(other), None, "{other}");
        }
    }

    #[test]
    fn only_whole_base_backups_count() {
        let text = "begin_wal=000000010000000000000004\nend_time=2026-11-25 01:36:36.251166+00:00\nsize=30491792\nsystemid=7\ntimeline=1\n";
        let whole = parse("20261125T013501", &format!("{text}status=DONE\n")).unwrap().unwrap();
        assert_eq!(whole.end_time.to_rfc3339(), "2026-11-25T01:36:36.251166+00:00");
        assert_eq!(parse("x", &format!("{text}status=FAILED\n")).unwrap(), None);
        assert!(parse("x", "status=DONE\n").is_err());
    }
}
