//! What PostgreSQL has counted: slow statements, indexes that nobody uses, dead rows, growth.

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::sentences::sentences;
use super::{Finding, Thresholds};
use crate::administration::table_exists;
use crate::services::migration_sets;

/// How many of each are named.
const NAMED: usize = 5;
/// Over which time growth is told, in days.
const GROWTH_DAYS: i64 = 7;
/// Calls of a statement before its average means something.
const ENOUGH_CALLS: i64 = 5;

pub(super) async fn examine(
    conn: &mut AsyncPgConnection,
    thresholds: &Thresholds,
) -> anyhow::Result<Vec<Finding>> {
    Ok(vec![
        slow_statements(conn, thresholds).await?,
        unused_indexes(conn, thresholds).await?,
        dead_rows(conn, thresholds).await?,
        growth(conn, thresholds).await?,
    ])
}

async fn slow_statements(conn: &mut AsyncPgConnection, thresholds: &Thresholds) -> anyhow::Result<Finding> {
    let watched = "SELECT extname::text AS line FROM pg_extension WHERE extname = 'pg_stat_statements' \
                   AND current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'";
    if sentences(conn, watched).await?.is_empty() {
        let hint = "shared_preload_libraries = 'pg_stat_statements', and CREATE EXTENSION pg_stat_statements";
        return Ok(Finding::warning("slow statements", "nobody counts them", hint));
    }
    let query = format!(
        "SELECT format('%s ms on average, %s calls by %s: %s', round(s.mean_exec_time), s.calls, r.rolname, \
             left(regexp_replace(s.query, '\\s+', ' ', 'g'), 100)) AS line \
         FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid \
         WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND r.rolname ~ '_(service|worker)$' AND s.calls >= {ENOUGH_CALLS} AND s.mean_exec_time > {} \
         ORDER BY s.total_exec_time DESC LIMIT {NAMED}",
        thresholds.slow_statement.as_millis()
    );
    let slow = sentences(conn, &query).await?;
    Ok(if slow.is_empty() {
        Finding::ok("slow statements", "none")
    } else {
        Finding::warning(
            "slow statements",
            slow.join("; "),
            "EXPLAIN them; the services' logs have trace ids",
        )
    })
}

/// Large ones, but those that keep rows unique.
async fn unused_indexes(conn: &mut AsyncPgConnection, thresholds: &Thresholds) -> anyhow::Result<Finding> {
    let query = format!(
        "SELECT format('%s.%s (%s)', s.schemaname, s.indexrelname, pg_size_pretty(pg_relation_size(s.indexrelid))) AS line \
         FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid \
         WHERE s.idx_scan = 0 AND NOT i.indisunique AND pg_relation_size(s.indexrelid) >= {} \
         ORDER BY pg_relation_size(s.indexrelid) DESC LIMIT {NAMED}",
        thresholds.unused_index_bytes
    );
    let unused = sentences(conn, &query).await?;
    Ok(if unused.is_empty() {
        Finding::ok("unused indexes", "no large one")
    } else {
        let hint = "once the statistics are some weeks old: drop them, or find out whose query lost them";
        Finding::warning("unused indexes", unused.join("; "), hint)
    })
}

async fn dead_rows(conn: &mut AsyncPgConnection, thresholds: &Thresholds) -> anyhow::Result<Finding> {
    let query = format!(
        "SELECT format('%s.%s: %s dead rows beside %s, last vacuum %s', schemaname, relname, n_dead_tup, n_live_tup, \
             coalesce(to_char(greatest(last_autovacuum, last_vacuum), 'YYYY-MM-DD HH24:MI'), 'never')) AS line \
         FROM pg_stat_user_tables WHERE n_dead_tup > {} AND n_dead_tup > n_live_tup / 5 \
         ORDER BY n_dead_tup DESC LIMIT {NAMED}",
        thresholds.dead_rows
    );
    let bloated = sentences(conn, &query).await?;
    Ok(if bloated.is_empty() {
        Finding::ok("dead rows", "few")
    } else {
        Finding::warning(
            "dead rows",
            bloated.join("; "),
            "end what holds up vacuum (transactions), or VACUUM the table",
        )
    })
}

/// A table, and what it has come to.
#[derive(QueryableByName)]
struct TableGrowthRow {
    #[diesel(sql_type = Text)]
    line: String,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = BigInt)]
    now: i64,
}

/// Beside what `dafnck maintain` measured about a week ago.
async fn growth(conn: &mut AsyncPgConnection, thresholds: &Thresholds) -> anyhow::Result<Finding> {
    let mut measured = Vec::new();
    for set in migration_sets() {
        if table_exists(conn, &format!("{}.table_sizes", set.name)).await? {
            measured.push(format!(
                "SELECT '{0}.' || s.table_name AS name, s.day, s.bytes, \
                     pg_total_relation_size(to_regclass('{0}.' || s.table_name)) AS now FROM {0}.table_sizes s",
                set.name
            ));
        }
    }
    if measured.is_empty() {
        return Ok(Finding::ok("growth", "not measured yet"));
    }
    let query = format!(
        "SELECT format('%s +%s', name, pg_size_pretty(now - bytes)) AS line, bytes, now FROM ( \
             SELECT DISTINCT ON (name) name, bytes, now FROM ({}) all_tables \
             WHERE day >= current_date - {GROWTH_DAYS} AND now IS NOT NULL ORDER BY name, day) oldest \
         ORDER BY now - bytes DESC",
        measured.join(" UNION ALL ")
    );
    Ok(judge_growth(&sql_query(query).load(conn).await?, thresholds.growth_bytes))
}

/// Of all tables, those first that have grown most.
fn judge_growth(tables: &[TableGrowthRow], much: i64) -> Finding {
    let (before, now) = tables.iter().fold((0, 0), |(before, now), it| (before + it.bytes, now + it.now));
    let grown = tables.iter().filter(|it| it.now > it.bytes).take(NAMED).map(|it| it.line.as_str());
    let grown: Vec<&str> = grown.collect();
    let message = if grown.is_empty() { "none".to_owned() } else { grown.join(", ") };
    let message = format!("within {GROWTH_DAYS} days: {message}");
    if now - before > much && now > 2 * before {
        let hint = "find out who writes so much, and see for how long the disk lasts";
        return Finding::warning("growth", message, hint);
    }
    Finding::ok("growth", message)
}
