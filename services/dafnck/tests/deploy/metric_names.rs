//! Whatever rules, their tests and dashboards ask for is measured by somebody, under that name and with those labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::Utc;
use dafnck::backup::status::Status;
use regex::Regex;

use super::monitoring::{recorded, rules};
use super::{at, documents, files, list, read, root, text};

/// Labels of each metric that there is.
type MetricLabels = BTreeMap<String, BTreeSet<String>>;

/// What Prometheus adds to all, and the bounds of histograms.
const ADDED: [&str; 3] = ["job", "instance", "le"];
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// Names under which Prometheus knows what a service sends as this: dots become `_`, a unit and the kind stand behind.
pub fn names_in_prometheus(name: &str, kind: &str, unit: &str) -> Vec<String> {
    let unit = match unit {
        "s" => "_seconds",
        "By" => "_bytes",
        _ => "",
    };
    let name = name.replace('.', "_") + unit;
    match kind {
        "counter" => vec![format!("{name}_total")],
        "histogram" => ["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")).into(),
        _ => vec![name],
    }
}

/// What the services send, as `tests/metrics.txt` has it.
fn ours() -> MetricLabels {
    let mut measured = MetricLabels::new();
    for line in include_str!("../metrics.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, kind, unit, labels @ ..] = words.as_slice() else { panic!("{line}") };
        let labels: BTreeSet<String> = labels.iter().map(|label| label.replace('.', "_")).collect();
        for label in ADDED {
            assert!(!labels.contains(label), "{name}: Prometheus has another meaning for {label}");
        }
        measured.extend(names_in_prometheus(name, kind, unit).into_iter().map(|name| (name, labels.clone())));
    }
    measured
}

/// What `dafnck backup` writes for the node exporter.
fn of_backups() -> MetricLabels {
    let (now, outcome) = (Some(Utc::now()), Some("ok".to_owned()));
    let status = Status {
        last_backup_at: now,
        last_backup_outcome: outcome.clone(),
        last_wal_at: now,
        last_files_at: now,
        window_start: now,
        last_mirror_at: now,
        last_mirror_outcome: outcome.clone(),
        last_drill_at: now,
        last_drill_success_at: now,
        last_drill_outcome: outcome,
        ..Status::default()
    };
    let metrics = status.metrics();
    let names =
        metrics.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').next());
    names.map(|name| (name.to_owned(), BTreeSet::new())).collect()
}

fn measured() -> MetricLabels {
    let mut all = ours();
    all.extend(of_backups());
    let lines =
        include_str!("exporters.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    all.extend(lines.map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        (words.next().unwrap(), words.collect())
    }));
    all
}

/// The metrics that an expression of PromQL asks for, each with the labels that it is chosen by.
fn asked(expression: &str) -> Vec<(String, Vec<String>)> {
    let replace =
        |pattern: &str, text: &str, by: &str| Regex::new(pattern).unwrap().replace_all(text, by).into_owned();
    let plain = replace(r#""[^"]*"|'[^']*'|\[[^\]]*\]"#, expression, "");
    let plain = replace(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", &plain, "");
    let word = Regex::new(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\(|\{([^}]*)\})?").unwrap();
    let label = Regex::new(r"([a-zA-Z_]+)\s*[=!]").unwrap();
    word.captures_iter(&plain)
        .filter(|found| found.get(2).is_none_or(|behind| behind.as_str() != "("))
        .filter(|found| !OPERATORS.contains(&&found[1]))
        .map(|found| {
            let labels = found.get(3).map_or("", |labels| labels.as_str());
            (found[1].to_owned(), label.captures_iter(labels).map(|label| label[1].to_owned()).collect())
        })
        .collect()
}

/// Whether an expression asks only for what the services send.
pub fn is_ours(expression: &str) -> bool {
    let (ours, recorded) = (ours(), recorded());
    asked(expression).iter().all(|(name, _)| ours.contains_key(name) || recorded.contains(name))
}

#[test]
fn expressions_are_understood() {
    let found = asked(
        r#"sum by (job, le) (rate(a_total{x=~"(b|{c})", y!="d"}[5m])) / on (job) max(e{f="g"}) > 0.9 or ALERTS unless h:i:j == bool 1"#,
    );
    let found: Vec<String> =
        found.iter().map(|(name, labels)| format!("{name} {}", labels.join(" "))).collect();
    assert_eq!(found, ["a_total x y", "e f", "ALERTS ", "h:i:j "]);
}

/// Every expression and every series of a file, as far as it has any.
fn expressions(file: &Path) -> Vec<String> {
    let content = read(file);
    if file.extension().is_some_and(|ending| ending == "json") {
        let dashboard: serde_json::Value = serde_json::from_str(&content).unwrap();
        let panels = dashboard["panels"].as_array().unwrap().iter();
        let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
        return targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    }
    let document = documents(&content).remove(0);
    let series = list(at(&document, "tests")).iter().flat_map(|test| list(at(test, "input_series")));
    series.map(|series| text(at(series, "series")).to_owned()).collect()
}

#[test]
fn rules_and_dashboards_ask_for_nothing_that_nobody_measures() {
    let (measured, recorded) = (measured(), recorded());
    let monitoring = root().join("deploy/monitoring");
    let mut all: Vec<(String, String)> = Vec::new();
    for rule in rules() {
        all.push(("a rule".to_owned(), text(at(&rule, "expr")).to_owned()));
    }
    for file in
        [files(&monitoring.join("dashboards"), ".json"), files(&monitoring.join("tests"), ".yml")].concat()
    {
        let place = file.file_name().unwrap().to_string_lossy().into_owned();
        all.extend(expressions(&file).into_iter().map(|expression| (place.clone(), expression)));
    }
    assert!(all.len() > 200, "{}", all.len());
    for (place, expression) in all {
        for (name, labels) in asked(&expression) {
            if recorded.contains(&name) {
                continue;
            }
            let known = measured
                .get(&name)
                .unwrap_or_else(|| panic!("{place}: nobody measures {name}: {expression}"));
            for label in labels {
                let has = known.contains(&label) || ADDED.contains(&label.as_str());
                assert!(has, "{place}: {name} has no label {label}: {expression}");
            }
        }
    }
}

#[test]
fn what_the_services_measure_is_looked_at() {
    let shown: BTreeSet<String> = files(&root().join("deploy/monitoring/dashboards"), ".json")
        .iter()
        .flat_map(|file| expressions(file))
        .chain(rules().iter().map(|rule| text(at(rule, "expr")).to_owned()))
        .flat_map(|expression| asked(&expression))
        .map(|(name, _)| name)
        .collect();
    let ours = ours();
    // Of a histogram one part is enough.
    let unseen: Vec<&String> = ours
        .keys()
        .filter(|name| !name.ends_with("_sum") && !name.ends_with("_duration_seconds_count"))
        .filter(|name| !name.ends_with("_wait_time_seconds_count") && !shown.contains(*name))
        .collect();
    assert!(unseen.is_empty(), "neither a dashboard nor a rule has {unseen:?}");
}
