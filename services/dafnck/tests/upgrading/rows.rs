//! Rows as each release wrote them, and what a table holds.

use std::collections::{BTreeMap, BTreeSet};

use diesel::sql_types::{Jsonb, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::Value;
use shared::migrate::Migration;

/// Statements of the processes of a release: they run from a step of a set on, also after every later step, because
/// processes of that release still run while others are upgraded.
struct Statements {
    set: &'static str,
    since: &'static str,
    sql: &'static str,
}

const RELEASED: [Statements; 5] = [
    Statements { set: "identity", since: "baseline", sql: include_str!("rows/identity.sql") },
    Statements { set: "project", since: "baseline", sql: include_str!("rows/project.sql") },
    Statements { set: "task", since: "baseline", sql: include_str!("rows/task.sql") },
    Statements { set: "task", since: "add_effort", sql: include_str!("rows/task_with_effort.sql") },
    Statements { set: "content", since: "baseline", sql: include_str!("rows/content.sql") },
];

/// Writes a generation of rows, as the processes of every release up to the last of these steps do.
pub async fn write(conn: &mut AsyncPgConnection, set: &str, applied: &[Migration]) {
    let names: Vec<&str> = applied.iter().filter_map(|step| Some(step.name.split_once('_')?.1)).collect();
    for statements in RELEASED.iter().filter(|s| s.set == set && names.contains(&s.since)) {
        let sql = statements.sql.replace("{n}", &format!("{:04}", applied.len()));
        if let Err(error) = conn.batch_execute(&sql).await {
            panic!(
                "after {set}/{}, the statements since {}: {error}",
                names[names.len() - 1],
                statements.since
            );
        }
    }
}

type Row = BTreeMap<String, Value>;
pub type Tables = BTreeMap<String, Vec<Row>>;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Content {
    #[diesel(sql_type = Jsonb)]
    content: Value,
}

/// Every row of every table of a schema, but its ledger.
pub async fn read(conn: &mut AsyncPgConnection, schema: &str) -> Tables {
    let names: Vec<Name> = sql_query(
        "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = $1 \
         AND table_type = 'BASE TABLE' AND table_name <> 'schema_migrations'",
    )
    .bind::<Text, _>(schema)
    .load(conn)
    .await
    .unwrap();
    let mut tables = Tables::new();
    for Name { name } in names {
        let all = format!("SELECT to_jsonb(t) AS content FROM {schema}.{name} t");
        let rows: Vec<Content> = sql_query(all).load(conn).await.unwrap();
        let rows = rows.into_iter().map(|row| serde_json::from_value(row.content).unwrap()).collect();
        tables.insert(name, rows);
    }
    tables
}

/// The first row of `before` whose values are not all in `after`, compared by the columns that both have.
/// `passes` tells which tables (`table`) and columns (`table.column`) may change.
pub fn first_lost(before: &Tables, after: &Tables, passes: impl Fn(&str) -> bool) -> Option<String> {
    for (table, rows) in before {
        let Some(now) = after.get(table).filter(|_| !passes(table)) else { continue };
        let Some(sample) = now.iter().chain(rows).next() else { continue };
        let columns: BTreeSet<&String> =
            sample.keys().filter(|column| !passes(&format!("{table}.{column}"))).collect();
        let cut = |row: &Row| -> Vec<(String, String)> {
            let kept = row.iter().filter(|(column, _)| columns.contains(column));
            kept.map(|(column, value)| (column.clone(), value.to_string())).collect()
        };
        let present: BTreeSet<_> = now.iter().map(cut).collect();
        if let Some(lost) = rows.iter().map(cut).find(|row| !is_within(row, &present)) {
            return Some(format!("{table}: {lost:?}"));
        }
    }
    None
}

/// A row may have gained columns since.
fn is_within(row: &[(String, String)], present: &BTreeSet<Vec<(String, String)>>) -> bool {
    let known: BTreeSet<&String> = row.iter().map(|(column, _)| column).collect();
    present.iter().any(|other| other.iter().filter(|(column, _)| known.contains(column)).eq(row.iter()))
}
