//! Rows as each release wrote them, and what a table holds.

use std::collections::{BTreeMap, BTreeSet};

use diesel::sql_types::{Jsonb, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::Value;

/// Statements of a release: from which version of a set on they are run, and before which one they end to work.
pub struct Statements {
    pub set: &'static str,
    pub since: i32,
    pub until: i32,
    pub sql: &'static str,
}

const ALWAYS: i32 = i32::MAX;

/// The statements of a release go on after every later step: that is what its processes do while others are upgraded.
pub const RELEASED: [Statements; 11] = [
    Statements { set: "identity", since: 3, until: ALWAYS, sql: include_str!("rows/users.sql") },
    Statements { set: "identity", since: 5, until: ALWAYS, sql: include_str!("rows/mail.sql") },
    Statements { set: "identity", since: 8, until: ALWAYS, sql: include_str!("rows/codes.sql") },
    Statements { set: "identity", since: 10, until: ALWAYS, sql: include_str!("rows/factors.sql") },
    Statements { set: "identity", since: 12, until: ALWAYS, sql: include_str!("rows/api_tokens.sql") },
    Statements { set: "project", since: 3, until: ALWAYS, sql: include_str!("rows/projects.sql") },
    Statements { set: "project", since: 6, until: ALWAYS, sql: include_str!("rows/offers.sql") },
    Statements { set: "task", since: 4, until: ALWAYS, sql: include_str!("rows/tasks.sql") },
    Statements { set: "content", since: 4, until: ALWAYS, sql: include_str!("rows/documents.sql") },
    // From uploads on, an attachment needs a blob.
    Statements { set: "content", since: 4, until: 6, sql: include_str!("rows/files.sql") },
    Statements { set: "content", since: 6, until: ALWAYS, sql: include_str!("rows/blobs.sql") },
];

/// Writes a generation of rows, as every release up to this version of the set does.
pub async fn write(conn: &mut AsyncPgConnection, set: &str, version: i32, generation: i32) {
    for released in RELEASED.iter().filter(|r| r.set == set && (r.since..r.until).contains(&version)) {
        let sql = released.sql.replace("{n}", &format!("{generation:04}"));
        if let Err(error) = conn.batch_execute(&sql).await {
            panic!("at {set} {version}, the statements since version {}: {error}", released.since);
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

/// Every row of every table of a schema, but its manifest.
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
