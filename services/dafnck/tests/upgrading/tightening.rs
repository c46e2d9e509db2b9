//! Expand, then contract: what a step takes from the processes of the release before is listed, with its reason.

use dafnck::services::migration_sets;
use std::collections::BTreeSet;

use diesel_async::AsyncPgConnection;
use expect_test::expect_file;
use shared::migrate;
use testkit::empty_database;

use crate::catalog::{Catalog, catalog};

const README: &str = include_str!("../../../../migrations/README.md");
/// The step that makes a set's first tables: before it there is nothing to take.
const GROUND: i32 = 3;

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

async fn taken_by_each_step(url: &shared::config::Secret, set: &migrate::Set) -> String {
    let mut conn: AsyncPgConnection = shared::database::connect(url).await.unwrap();
    let mut text = String::new();
    let mut before = Catalog::new();
    for migration in set.migrations().unwrap() {
        migrate::up_to(url, set, migration.version).await.unwrap();
        let after = catalog(&mut conn, set.name).await;
        if migration.version > GROUND {
            let step = format!("{}/{}", set.name, migration.name);
            let taken = tightenings(&before, &after);
            taken.iter().for_each(|what| text.push_str(&format!("{step}: {what}\n")));
        }
        before = after;
    }
    text
}

#[tokio::test]
async fn what_a_step_takes_from_running_processes_is_written_down() {
    let mut all = String::new();
    for set in migration_sets() {
        all.push_str(&taken_by_each_step(&empty_database().await, set).await);
    }
    expect_file!["./tightened.txt"].assert_eq(&all);
    let steps = all.lines().filter_map(|line| line.split_once(':')).map(|(step, _)| format!("`{step}`"));
    let unexplained: BTreeSet<String> = steps.filter(|step| !README.contains(step)).collect();
    assert!(
        unexplained.is_empty(),
        "migrations/README.md gives no reason why these may take something from running processes: {unexplained:?}"
    );
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
