//! The jobs themselves. Each statement is a transaction of its own, takes no lock that calls wait for, and gives up its
//! wait for one after a moment.

use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::Job;

/// A table is counted again when so many of its rows have changed, beside a twentieth of them.
const MIN_CHANGED_ROWS: i64 = 500;
/// An index is rebuilt when it is larger than this and its pages are less than half full.
const MIN_INDEX_BYTES: i64 = 8 << 20;
const FULL_PERCENT: i64 = 50;
/// Indexes that are rebuilt in one run of a schema.
const INDEXES_AT_ONCE: i64 = 10;
/// Days for which sizes are remembered.
const SIZE_HISTORY_DAYS: i64 = 400;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Does a job in a schema; answers what was done.
pub(super) async fn run(conn: &mut AsyncPgConnection, schema: &str, job: Job) -> anyhow::Result<Vec<String>> {
    conn.batch_execute("SET lock_timeout = '2s'; SET statement_timeout = 0").await?;
    match job {
        Job::Measure => measure(conn, schema).await,
        Job::Analyze => analyze(conn, schema).await,
        Job::Reindex => reindex(conn, schema).await,
    }
}

async fn names(conn: &mut AsyncPgConnection, query: String) -> anyhow::Result<Vec<String>> {
    let found: Vec<Name> = sql_query(query).load(conn).await?;
    Ok(found.into_iter().map(|row| row.name).collect())
}

async fn measure(conn: &mut AsyncPgConnection, schema: &str) -> anyhow::Result<Vec<String>> {
    let measured = sql_query(format!(
        "INSERT INTO {schema}.table_sizes (day, table_name, bytes) \
         SELECT current_date, c.relname, pg_total_relation_size(c.oid) FROM pg_class c \
         WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p') \
         ON CONFLICT (day, table_name) DO UPDATE SET bytes = excluded.bytes"
    ))
    .execute(conn)
    .await?;
    sql_query(format!("DELETE FROM {schema}.table_sizes WHERE day < current_date - {SIZE_HISTORY_DAYS}"))
        .execute(conn)
        .await?;
    Ok(vec![format!("{measured} tables")])
}

async fn analyze(conn: &mut AsyncPgConnection, schema: &str) -> anyhow::Result<Vec<String>> {
    let stale = names(
        conn,
        format!(
            "SELECT relname::text AS name FROM pg_stat_user_tables WHERE schemaname = '{schema}' \
             AND n_mod_since_analyze > {MIN_CHANGED_ROWS} AND n_mod_since_analyze > n_live_tup / 20 ORDER BY relname"
        ),
    )
    .await?;
    for table in &stale {
        conn.batch_execute(&format!(r#"ANALYZE "{schema}"."{table}""#)).await?;
    }
    Ok(stale)
}

/// What an earlier run left half built goes first. Needs the extension pgstattuple, which this role may make or not.
async fn reindex(conn: &mut AsyncPgConnection, schema: &str) -> anyhow::Result<Vec<String>> {
    let halves = names(
        conn,
        format!(
            "SELECT c.relname::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             WHERE c.relnamespace = '{schema}'::regnamespace AND NOT i.indisvalid AND c.relname ~ '_ccnew[0-9]*$'"
        ),
    )
    .await?;
    for half in halves {
        conn.batch_execute(&format!(r#"DROP INDEX CONCURRENTLY IF EXISTS "{schema}"."{half}""#)).await?;
    }
    conn.batch_execute("CREATE EXTENSION IF NOT EXISTS pgstattuple SCHEMA public").await?;
    let empty = names(
        conn,
        format!(
            "WITH large AS MATERIALIZED (SELECT c.oid, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                 JOIN pg_am a ON a.oid = c.relam WHERE c.relnamespace = '{schema}'::regnamespace AND a.amname = 'btree' \
                 AND i.indisvalid AND pg_relation_size(c.oid) > {MIN_INDEX_BYTES}) \
             SELECT relname::text AS name FROM large \
             WHERE (public.pgstatindex(oid::regclass)).avg_leaf_density < {FULL_PERCENT} \
             ORDER BY pg_relation_size(oid) DESC LIMIT {INDEXES_AT_ONCE}"
        ),
    )
    .await?;
    for index in &empty {
        conn.batch_execute(&format!(r#"REINDEX INDEX CONCURRENTLY "{schema}"."{index}""#)).await?;
    }
    Ok(empty)
}
