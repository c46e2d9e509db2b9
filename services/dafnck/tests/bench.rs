//! `dafnck bench`, as short as it can be.

use serde_json::Value;

use crate::dafnck::dafnck;

#[tokio::test]
async fn a_benchmark_reports_calls_beside_their_limits() {
    let cache = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/cache");
    let words = "bench --json --only get-task --rounds 1 --seconds 1 --callers 2 --tasks 10 --rate 20 \
                 --also growth,watchers,files,sign-in --growth-tasks 1000 --watchers 3 --megabytes 1";
    let words: Vec<&str> = words.split_whitespace().collect();
    let data = tempfile::tempdir().unwrap();
    let variables =
        [("DAFNCK_CACHE_DIRECTORY", cache), ("DAFNCK_DATA_DIRECTORY", data.path().to_str().unwrap())];
    let ran = dafnck(&words, &variables).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);

    let untouched = std::fs::read_dir(data.path()).unwrap().next().is_none();
    assert!(untouched, "the measured suite has a directory of its own");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let figures = report["figures"].as_array().unwrap();
    let names: Vec<_> = figures.iter().map(|figure| figure["name"].as_str().unwrap()).collect();
    for name in [
        "ListTasks TASK_ORDER_TITLE_DESC, 1000 tasks / 1000",
        "SearchTasks, 1000 tasks",
        "upload, 1 MiB",
        "until all of 3 watchers have the event",
        "sign-in",
        "start on an empty directory",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(figures.iter().all(|figure| figure["value"].as_f64().unwrap() > 0.0), "{figures:?}");

    let report = report["measurements"].as_array().unwrap();
    let names: Vec<_> = report.iter().map(|measured| measured["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["echo", "pgbench get", "GetTask"]);
    for (measured, figures) in report.iter().zip([
        &["per_second", "p50_milliseconds", "p99_milliseconds"][..],
        &["per_second"],
        &["per_second", "p99_milliseconds", "ratio_to_pgbench", "ratio_to_echo", "p50_milliseconds_at_rate"],
    ]) {
        for figure in figures {
            assert!(measured[figure].as_f64().is_some_and(|value| value > 0.0), "{figure} of {measured}");
        }
    }
}
