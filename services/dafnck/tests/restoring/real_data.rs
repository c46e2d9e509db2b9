//! The Ethereum Improvement Proposals, lost and restored, if they are here. The figures are for those who look at the output.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::{held, text};
use crate::eips;
use crate::local_suite::Machine;

/// Runs for minutes: only with a directory that holds `eips.jsonl`, `history.jsonl.gz` and `assets/`.
#[tokio::test]
async fn the_proposals_are_lost_and_restored() {
    let Some(directory) = std::env::var_os("DAFNCK_EIPS_DIRECTORY") else { return };
    let mut machine = Machine::new();
    machine.start("data").await;
    let converted = machine.path("eips.jsonl");
    let converted = converted.to_str().unwrap();
    eips::convert(Path::new(&directory), Path::new(converted)).unwrap();
    // Some dependencies close a cycle, and are refused.
    let refused = timed("import", machine.operate("data", &["import", converted])).await;
    eprintln!("{}", refused.unwrap_or_else(|refused| refused));
    timed("base backup", machine.operate("data", &["backup"])).await.unwrap();
    machine.import("data", "gemini", 400).await;
    let (moment, tables, objects) = machine.moment("data").await;
    machine.import("data", "skylab", 10).await;
    timed("following", machine.operate("data", &["backup", "follow"])).await.unwrap();
    machine.execute("data", "DROP SCHEMA content CASCADE; DELETE FROM task.tasks;").await;
    machine.kill().await;
    fs::remove_dir_all(machine.path("data")).unwrap();

    let at = text(moment);
    let restored = machine.restore_with(&["--sessions", "keep"], "backup", &at, "restored");
    timed("restore", restored).await.unwrap();

    let rows: i64 = tables.values().map(|table| table.rows).sum();
    let bytes: u64 = objects.values().map(|(size, _)| size).sum();
    eprintln!("{} tables with {rows} rows, {} objects with {bytes} bytes", tables.len(), objects.len());
    for name in ["task.tasks", "task.task_dependencies", "content.document_versions"] {
        eprintln!("{name}: {}", tables[name].rows);
    }
    assert_eq!(held(&machine, "restored").await, (tables, objects));
}

async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let done = work.await;
    eprintln!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    done
}
