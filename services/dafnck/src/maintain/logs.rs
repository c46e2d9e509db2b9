//! The logs of the local suite's servers: a large one is copied aside and begun again. The servers append to it and need
//! not be told.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// How large a log may become, in bytes, and how many older ones are kept.
const LOG_BYTES: u64 = 16 << 20;
const KEPT: usize = 5;

/// Turns the large logs of a data directory over. Answers how many.
///
/// # Errors
/// When the directory cannot be written.
pub fn rotate(data_directory: &Path) -> anyhow::Result<usize> {
    turn_over_above(&data_directory.join("log"), LOG_BYTES)
}

fn turn_over_above(directory: &Path, bytes: u64) -> anyhow::Result<usize> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(0) };
    let mut turned = 0;
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        if is_log && path.metadata().is_ok_and(|file| file.len() > bytes) {
            begin_anew(&path).with_context(|| format!("cannot turn {} over", path.display()))?;
            turned += 1;
        }
    }
    Ok(turned)
}

/// What is written between the copy and the cut is lost: some lines, at most once a day.
fn begin_anew(log: &Path) -> std::io::Result<()> {
    let older = |number: usize| -> PathBuf { log.with_extension(format!("log.{number}")) };
    for number in (1..KEPT).rev().filter(|number| older(*number).exists()) {
        fs::rename(older(number), older(number + 1))?;
    }
    fs::copy(log, older(1))?;
    OpenOptions::new().write(true).open(log)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_large_log_is_begun_anew_and_five_older_ones_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("postgres.log");
        let mut server = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        for round in 0..=KEPT {
            writeln!(server, "round {round}").unwrap();
            assert_eq!(turn_over_above(directory.path(), 3).unwrap(), 1);
        }
        assert_eq!(turn_over_above(directory.path(), 3).unwrap(), 0, "it is empty");
        writeln!(server, "after").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "after\n", "the server goes on writing");
        let kept =
            |number: usize| fs::read_to_string(directory.path().join(format!("postgres.log.{number}"))).ok();
        assert_eq!(kept(1).unwrap(), format!("round {KEPT}\n"));
        assert_eq!(kept(KEPT).unwrap(), "round 1\n");
        assert_eq!(kept(KEPT + 1), None);
    }
}
