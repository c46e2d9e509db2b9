//! The Ethereum Improvement Proposals there and back again, if they are here.

use crate::harness::harness;
use std::path::Path;
use std::time::Instant;

use crate::eips;
use dafnck::import::Refusal;
use dafnck::interchange::line::Kind;
use tempfile::TempDir;

use super::{ExportedDirectory, difference, import};

/// Runs for minutes: only with a directory that holds `eips.jsonl`, `history.jsonl.gz` and `assets/`.
#[tokio::test]
async fn the_proposals_go_round() {
    let Some(directory) = std::env::var_os("DAFNCK_EIPS_DIRECTORY") else { return };
    let work = TempDir::new().unwrap();
    let converted = work.path().join("eips.jsonl");
    eips::convert(Path::new(&directory), &converted).unwrap();
    let (origin, copy) = tokio::join!(harness().start(), harness().start());
    let taken = timed("import of the converted", import(&origin, &converted)).await;
    let closes_a_cycle = |refusal: &Refusal| {
        refusal.kind == Some(Kind::Dependency) && refusal.reason.starts_with("would close a cycle")
    };
    assert!(taken.refused() > 0 && taken.refusals().iter().all(closes_a_cycle), "{taken}");
    let first = timed("export", ExportedDirectory::of(&origin)).await;
    assert_eq!(timed("import of the export", import(&copy, &first.file())).await.refusals(), []);
    let second = timed("export of the copy", ExportedDirectory::of(&copy)).await;

    eprint!("{}", first.report);
    eprintln!("{} bytes", first.text().len());
    assert_eq!(difference(&first.text(), &second.text()), None);
    assert_eq!(first.text(), second.text());
    assert_eq!(first.files(), second.files());
}

async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let done = work.await;
    eprintln!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    done
}
