//! Expand, then contract: what a step takes from the processes of the release before is listed, with its reason.

use dafnck::services::migration_sets;
use std::collections::BTreeSet;

use diesel_async::AsyncPgConnection;
use shared::migrate::{self, Set};
use testkit::create_empty_database;

use super::next_release::NextRelease;
use crate::catalog::{Catalog, catalog};

const README: &str = include_str!("../../../../migrations/README.md");

/// What a process of the release before had and has no longer, or is no longer allowed.
fn tightenings(before: &Catalog, after: &Catalog) -> Vec<String> {
    let mut found = Vec::new();
    for (item, was) in before {
        match after.get(item) {
            None if is_used_by_processes(item) => found.push(format!("{item} is gone")),
            Some(is) if item.starts_with("column ") && is != was => {
                found.push(format!("{item}: {was} became {is}"))
            }
            Some(is) if item.starts_with("enum ") && !is.starts_with(was.as_str()) => {
                found.push(format!("{item}: {was} became {is}"));
            }
            Some(is) if item.starts_with("function ") && answer(is) != answer(was) => {
                found.push(format!("{item} answers otherwise"));
            }
            _ => {}
        }
    }
    for (item, is) in after.iter().filter(|(item, _)| !before.contains_key(*item)) {
        let Some(table) = table_of(item).filter(|table| is_old(before, table)) else { continue };
        let must_be_given =
            item.starts_with("column ") && is.ends_with("not null") && !is.contains(" default ");
        if must_be_given || item.starts_with("constraint ") || is.starts_with("CREATE UNIQUE") {
            found.push(format!("{item} of the table {table}, which was there"));
        }
    }
    found
}

/// Indexes, triggers, policies and checks go unnoticed; what statements name does not.
fn is_used_by_processes(item: &str) -> bool {
    ["column ", "enum ", "function ", "grant "].iter().any(|kind| item.starts_with(kind))
}

/// What a function answers, without its body: the catalog has `result language body`.
fn answer(definition: &str) -> &str {
    definition.split(" plpgsql ").next().unwrap().split(" sql ").next().unwrap()
}

fn table_of(item: &str) -> Option<&str> {
    item.split_once(' ')?.1.split_once('.').map(|(table, _)| table)
}

fn is_old(before: &Catalog, table: &str) -> bool {
    let column = format!("column {table}.");
    before.keys().any(|item| item.starts_with(&column))
}

/// What each step but the first takes, as `set/step: what`: before the first there is nothing to take.
async fn taken_by_each_step(set: &Set) -> Vec<String> {
    let url = create_empty_database().await;
    let mut conn: AsyncPgConnection = shared::database::connect(&url).await.unwrap();
    let mut taken = Vec::new();
    let mut before: Option<Catalog> = None;
    for migration in set.migrations().unwrap() {
        migrate::up_to(&url, set, migration.version).await.unwrap();
        let after = catalog(&mut conn, set.name).await;
        let found = before.iter().flat_map(|before| tightenings(before, &after));
        taken.extend(found.map(|what| format!("{}/{}: {what}", set.name, migration.name)));
        before = Some(after);
    }
    taken
}

/// The steps that take something and that the document does not name.
fn undocumented<'t>(taken: &'t [String], document: &str) -> BTreeSet<&'t str> {
    let steps = taken.iter().filter_map(|line| line.split_once(':')).map(|(step, _)| step);
    steps.filter(|step| !document.contains(&format!("`{step}`"))).collect()
}

#[tokio::test]
async fn every_step_that_takes_something_from_running_processes_is_documented() {
    for set in migration_sets() {
        let taken = taken_by_each_step(set).await;
        assert!(
            undocumented(&taken, README).is_empty(),
            "migrations/README.md does not say why processes of the release before still work: {taken:#?}"
        );
    }
}

#[tokio::test]
async fn a_step_that_contracts_is_noticed_and_one_that_expands_is_not() {
    let release = NextRelease::of(&task::MIGRATIONS);
    let last = release.set.migrations().unwrap().pop().unwrap();
    let step = format!("task/{}", last.name);

    let mut taken = taken_by_each_step(&release.set).await;

    taken.retain(|line| !README.contains(&format!("`{}`", line.split(':').next().unwrap())));
    assert_eq!(taken, [format!("{step}: constraint tasks.chk_effort of the table tasks, which was there")]);
    assert_eq!(undocumented(&taken, README), BTreeSet::from([step.as_str()]));
    assert!(undocumented(&taken, &format!("| `{step}` | why |")).is_empty());
}

#[test]
fn dropping_a_column_and_asking_for_a_new_one_is_noticed() {
    let catalog = |items: &[(&str, &str)]| -> Catalog {
        items.iter().map(|(item, definition)| ((*item).to_owned(), (*definition).to_owned())).collect()
    };
    let before = catalog(&[("column tasks.id", "uuid not null"), ("column tasks.title", "text")]);
    let after = catalog(&[
        ("column tasks.id", "uuid not null"),
        ("column tasks.name", "text not null"),
        ("column tasks.note", "text default '' not null"),
        ("column lists.name", "text not null"),
    ]);
    assert_eq!(
        tightenings(&before, &after),
        ["column tasks.title is gone", "column tasks.name of the table tasks, which was there"]
    );
}
