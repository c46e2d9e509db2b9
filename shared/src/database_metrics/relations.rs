//! How tables grow and how many of their rows are dead, and how much each index is used.

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use opentelemetry::KeyValue;

use super::latest_values::LatestValues;
use crate::error::Result;
use crate::telemetry;

#[derive(QueryableByName)]
pub(super) struct Table {
    #[diesel(sql_type = Text)]
    name: String,
    /// Including indexes and TOAST.
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = BigInt)]
    live_rows: i64,
    #[diesel(sql_type = BigInt)]
    dead_rows: i64,
}

/// A non-unique index: it could be dropped.
#[derive(QueryableByName)]
pub(super) struct Index {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    /// Since the statistics were last reset.
    #[diesel(sql_type = BigInt)]
    scans: i64,
}

/// As `dafnck.database.table.*` and `dafnck.database.index.*`.
pub(super) fn measure(tables: &LatestValues<Table>, indexes: &LatestValues<Index>, schema: &'static str) {
    let of_tables = |name, unit, description, value: fn(&Table) -> i64| {
        tables.gauge(name, unit, description, move |it| (value(it), [of(schema), of_table(&it.name)]));
    };
    let size = "What a table takes on disk, with its indexes and what is stored aside.";
    of_tables("dafnck.database.table.size", "By", size, |it| it.bytes);
    let live = "Rows of a table, as PostgreSQL's statistics have it.";
    of_tables("dafnck.database.table.live_rows", "{row}", live, |it| it.live_rows);
    let dead = "Rows of a table that wait for vacuum.";
    of_tables("dafnck.database.table.dead_rows", "{row}", dead, |it| it.dead_rows);
    let size = "What an index takes on disk; of non-unique indexes.";
    indexes.gauge("dafnck.database.index.size", "By", size, move |it| {
        (it.bytes, [of(schema), of_index(&it.name)])
    });
    let scans = indexes.clone();
    telemetry::meter()
        .u64_observable_counter("dafnck.database.index.scans")
        .with_description("How often an index was used; of non-unique indexes.")
        .with_unit("{scan}")
        .with_callback(move |observer| {
            for it in scans.get().iter() {
                observer.observe(u64::try_from(it.scans).unwrap_or(0), &[of(schema), of_index(&it.name)]);
            }
        })
        .build();
}

fn of(schema: &'static str) -> KeyValue {
    KeyValue::new("schema", schema)
}

fn of_table(name: &str) -> KeyValue {
    KeyValue::new("table", name.to_owned())
}

fn of_index(name: &str) -> KeyValue {
    KeyValue::new("index", name.to_owned())
}

pub(super) async fn tables(mut conn: &AsyncPgConnection, schema: &str) -> Result<Vec<Table>> {
    let query = sql_query(
        "SELECT relname::text AS name, pg_total_relation_size(relid) AS bytes, n_live_tup AS live_rows, \
             n_dead_tup AS dead_rows \
         FROM pg_stat_user_tables WHERE schemaname = $1",
    );
    Ok(query.bind::<Text, _>(schema).load(&mut conn).await?)
}

pub(super) async fn indexes(mut conn: &AsyncPgConnection, schema: &str) -> Result<Vec<Index>> {
    let query = sql_query(
        "SELECT s.indexrelname::text AS name, pg_relation_size(s.indexrelid) AS bytes, s.idx_scan AS scans \
         FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid \
         WHERE s.schemaname = $1 AND NOT i.indisunique",
    );
    Ok(query.bind::<Text, _>(schema).load(&mut conn).await?)
}
