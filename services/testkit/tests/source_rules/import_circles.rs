//! No two files may use each other, neither directly nor through others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::modules::{Crate, ModulePath};
use crate::workspace;

const CRATES: [&str; 9] = [
    "proto",
    "shared",
    "services/identity",
    "services/project",
    "services/task",
    "services/content",
    "services/local-servers",
    "services/dafnck",
    "services/testkit",
];

#[test]
fn files_do_not_import_each_other_in_circles() {
    let mut circles = Vec::new();
    for name in CRATES {
        for sources in ["src", "tests"].map(|part| workspace().join(name).join(part)) {
            if sources.is_dir() {
                let found = circles_of(&Crate::read(&sources).uses());
                circles.extend(found.into_iter().map(|circle| format!("{}: {circle}", sources.display())));
            }
        }
    }
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.join("\n"));
}

/// The shortest circle of each group of modules that depend on each other.
fn circles_of(uses: &BTreeMap<&ModulePath, BTreeSet<ModulePath>>) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut circles: Vec<_> = uses.keys().filter_map(|start| shortest_circle(uses, start)).collect();
    circles.sort_by_key(Vec::len);
    circles.retain(|circle| {
        let is_new = circle.iter().all(|module| !known.contains(module));
        known.extend(circle.iter().cloned());
        is_new
    });
    circles
        .iter()
        .map(|circle| circle.iter().map(|path| path.join("::")).collect::<Vec<_>>().join(" → "))
        .collect()
}

/// The shortest way from a module back to itself.
fn shortest_circle(
    uses: &BTreeMap<&ModulePath, BTreeSet<ModulePath>>,
    start: &ModulePath,
) -> Option<Vec<ModulePath>> {
    let mut ways = VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in uses.get(way.last()?)? {
            if next == start {
                return Some([way, vec![start.clone()]].concat());
            }
            if seen.insert(next) {
                ways.push_back([way.as_slice(), std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

#[test]
fn a_circle_is_found_through_other_modules() {
    let path = |name: &str| vec![name.to_owned()];
    let [a, b, c] = ["a", "b", "c"].map(path);
    let uses = BTreeMap::from([
        (&a, BTreeSet::from([b.clone()])),
        (&b, BTreeSet::from([c.clone()])),
        (&c, BTreeSet::from([a.clone()])),
    ]);
    assert_eq!(circles_of(&uses), ["a → b → c → a"]);
}
