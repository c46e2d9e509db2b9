//! `deploy/monitoring`: rules, their tests, and dashboards.

use std::collections::BTreeSet;
use std::process::Command;

use expect_test::expect_file;
use serde_yaml_ng::Value;

use super::{at, documents, files, list, read, root, succeed, text};

pub(super) fn rules() -> Vec<Value> {
    let files = files(&root().join("deploy/monitoring/rules"), ".yml");
    let documents: Vec<Value> = files.iter().map(|file| documents(&read(file)).remove(0)).collect();
    let groups = documents.iter().flat_map(|document| list(at(document, "groups")));
    groups.flat_map(|group| list(at(group, "rules"))).cloned().collect()
}

fn names(kind: &str) -> BTreeSet<String> {
    rules().iter().filter_map(|rule| at(rule, kind).as_str().map(str::to_owned)).collect()
}

/// What rules record.
pub(super) fn recorded() -> BTreeSet<String> {
    names("record")
}

#[tokio::test]
async fn every_alert_fires_when_it_should_and_only_then() {
    let tell = |step: &str| eprintln!("{step}");
    let promtool = testkit::promtool(&root().join(".local/cache"), tell).await.unwrap();
    let monitoring = root().join("deploy/monitoring");
    let mut check = Command::new(&promtool);
    succeed(check.args(["check", "config", "--syntax-only"]).arg(monitoring.join("prometheus.yml")));
    let mut check = Command::new(&promtool);
    succeed(check.args(["check", "rules"]).args(files(&monitoring.join("rules"), ".yml")));
    let tests = files(&monitoring.join("tests"), ".yml");
    succeed(Command::new(&promtool).args(["test", "rules"]).args(&tests));

    let tried: String = tests.iter().map(|file| read(file)).collect();
    for alert in names("alert") {
        assert!(
            tried.contains(&format!("alertname=\"{alert}\""))
                || tried.contains(&format!("alertname: {alert}\n")),
            "no test makes {alert} fire"
        );
    }
}

#[test]
fn every_alert_says_who_is_woken_and_what_it_means() {
    for rule in rules().iter().filter(|rule| !at(rule, "alert").is_null()) {
        let name = text(at(rule, "alert"));
        assert!(matches!(text(at(rule, "labels.severity")), "page" | "ticket"), "{name}");
        for annotation in ["annotations.summary", "annotations.description"] {
            assert!(!text(at(rule, annotation)).is_empty(), "{name}");
        }
    }
}

#[test]
fn kubernetes_has_the_same_rules() {
    expect_file!["../../../../deploy/kubernetes/monitoring/rules/clusters.yaml"]
        .assert_eq(&object_of("clusters"));
    expect_file!["../../../../deploy/kubernetes/monitoring/rules/inside.yaml"]
        .assert_eq(&object_of("inside"));
    expect_file!["../../../../deploy/kubernetes/monitoring/rules/servers.yaml"]
        .assert_eq(&object_of("servers"));
    expect_file!["../../../../deploy/kubernetes/monitoring/rules/services.yaml"]
        .assert_eq(&object_of("services"));
    expect_file!["../../../../deploy/kubernetes/monitoring/rules/upkeep.yaml"]
        .assert_eq(&object_of("upkeep"));
}

/// A file of rules as an object of the Prometheus operator.
fn object_of(name: &str) -> String {
    let rules = read(&root().join(format!("deploy/monitoring/rules/{name}.yml")));
    let indented =
        rules.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("  {line}\n") });
    format!(
        "# Made from deploy/monitoring/rules/{name}.yml by the suite's tests (UPDATE_EXPECT=1 makes it anew).\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: dafnck-{name}\nspec:\n{}",
        indented.collect::<String>()
    )
}

#[test]
fn dashboards_have_ids_of_their_own_and_kubernetes_has_them_all() {
    let objects = read(&root().join("deploy/monitoring/kustomization.yaml"));
    let dashboards = files(&root().join("deploy/monitoring/dashboards"), ".json");
    let mut ids = BTreeSet::new();
    for file in &dashboards {
        let dashboard: serde_json::Value = serde_json::from_str(&read(file)).unwrap();
        assert!(ids.insert(dashboard["uid"].to_string()), "{} has the id of another", file.display());
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(objects.contains(&format!("dashboards/{name}")), "{name} is not in kustomization.yaml");
    }
}
