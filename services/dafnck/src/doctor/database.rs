//! What one database tells: migrations, transactions that hold others up, replicas, feeds, maintenance.

use diesel::sql_types::{BigInt, Double, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::config::Secret;
use shared::migrate::{self, Plan};

use super::{Finding, Thresholds, configuration, sentences::sentences, statistics};
use crate::administration::table_exists;
use crate::maintain::Job;
use crate::services::{REFERENCES, migration_sets};

/// A replica that lags behind, in bytes of WAL.
const LAG_BYTES: i64 = 64 << 20;
const MUCH_LAG_BYTES: i64 = 1 << 30;
/// How long after it was due maintenance is overdue, in hours: it runs once a day.
const MAINTENANCE_GRACE: i32 = 28;
/// Of the connections that the server takes, in percent.
const MAX_CONNECTIONS_PERCENT: i64 = 80;
/// Transaction ids that are in use at most: PostgreSQL stops at 2.1 thousand millions.
const MAX_TRANSACTION_AGE: i64 = 1_000_000_000;

/// Everything about one database; `is_backed_up` if somebody is to take its log.
pub(super) async fn examine(
    url: &Secret,
    thresholds: &Thresholds,
    is_backed_up: bool,
) -> anyhow::Result<Vec<Finding>> {
    let mut conn = shared::database::connect(url).await?;
    let mut findings = configuration::postgres(&mut conn, is_backed_up).await?;
    findings.extend(migrations(&mut conn, url).await?);
    findings.push(transactions(&mut conn, thresholds).await?);
    findings.push(replicas(&mut conn).await?);
    findings.push(limits(&mut conn).await?);
    findings.push(feeds(&mut conn, thresholds).await?);
    findings.push(mail(&mut conn).await?);
    findings.extend(maintenance(&mut conn).await?);
    findings.extend(statistics::examine(&mut conn, thresholds).await?);
    Ok(findings)
}

/// The sets that are in this database, and whether they are those of this program.
async fn migrations(conn: &mut AsyncPgConnection, url: &Secret) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut present = 0;
    for set in migration_sets().into_iter().chain([&REFERENCES]) {
        if !table_exists(conn, &format!(r#""{}".schema_migrations"#, set.name)).await? {
            continue;
        }
        present += 1;
        match Plan::up(set, &migrate::applied(url, set).await?) {
            Err(refusal) => findings.push(Finding::critical(
                "migrations",
                format!("{refusal:#}"),
                "run the program that fits the database",
            )),
            Ok(plan) if plan.steps.is_empty() => {}
            Ok(plan) => {
                let missing: Vec<String> =
                    plan.steps.iter().map(|step| format!("{}/{}", set.name, step.name)).collect();
                let message = format!("missing: {}", missing.join(", "));
                findings.push(Finding::critical("migrations", message, "run `dafnck migrate`"));
            }
        }
    }
    if present == 0 {
        findings.push(Finding::critical("migrations", "none is applied", "run `dafnck migrate`"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("migrations", format!("{present} sets are up to date")));
    }
    Ok(findings)
}

/// Transactions that have been open for long: no feed goes past one that may still write, no vacuum past one that may
/// still read. One that is prepared (for a commit in two phases, which the services never do) outlives its process.
async fn transactions(conn: &mut AsyncPgConnection, thresholds: &Thresholds) -> anyhow::Result<Finding> {
    let seconds = thresholds.long_transaction.as_secs_f64();
    let open = format!(
        "SELECT format('process %s of %s, %s for %s s, %s: %s', pid, usename, state, \
             extract(epoch FROM now() - xact_start)::bigint, \
             CASE WHEN backend_xid IS NULL THEN 'holds up vacuum' ELSE 'holds up every feed and vacuum' END, \
             left(regexp_replace(query, '\\s+', ' ', 'g'), 60)) AS line \
         FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
             AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL OR state LIKE 'idle in transaction%') \
             AND xact_start < now() - make_interval(secs => {seconds})"
    );
    let prepared = format!(
        "SELECT format('prepared transaction %L of %s in %s holds up every feed and vacuum', gid, owner, database) AS line \
         FROM pg_prepared_xacts WHERE prepared < now() - make_interval(secs => {seconds})"
    );
    let (mut message, mut hint) = (Vec::new(), Vec::new());
    for (query, remedy) in [
        (open, "end it: SELECT pg_terminate_backend(process)"),
        (
            prepared,
            "in its database: ROLLBACK PREPARED its name, or COMMIT PREPARED if who prepared it says so",
        ),
    ] {
        let found = sentences(conn, &query).await?;
        hint.extend((!found.is_empty()).then_some(remedy));
        message.extend(found);
    }
    Ok(if message.is_empty() {
        Finding::ok("transactions", "none is open for long")
    } else {
        Finding::critical("transactions", message.join("; "), hint.join("; "))
    })
}

/// Who reads WAL, and how many bytes of it are still to come.
#[derive(QueryableByName)]
struct Replica {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    behind: i64,
}

async fn replicas(conn: &mut AsyncPgConnection) -> anyhow::Result<Finding> {
    let query = "SELECT application_name AS name, \
                     coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint AS behind \
                 FROM pg_stat_replication WHERE NOT pg_is_in_recovery() AND replay_lsn IS NOT NULL \
                 UNION ALL SELECT 'slot ' || slot_name || ' (nobody reads it)', \
                     coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint \
                 FROM pg_replication_slots WHERE NOT pg_is_in_recovery() AND NOT active ORDER BY behind DESC";
    Ok(judge_replicas(&sql_query(query).load(conn).await?))
}

/// Of all, the latest first.
fn judge_replicas(all: &[Replica]) -> Finding {
    let late: Vec<&Replica> = all.iter().filter(|replica| replica.behind > LAG_BYTES).collect();
    let message = |late: &[&Replica]| {
        let lines: Vec<String> = late
            .iter()
            .map(|replica| format!("{} is {} MiB behind", replica.name, replica.behind >> 20))
            .collect();
        lines.join("; ")
    };
    let hint = "see that it runs and reaches the database; drop a slot that nobody needs: it fills the disk";
    match late.as_slice() {
        [] if all.is_empty() => Finding::ok("replication", "no replicas"),
        [] => Finding::ok("replication", format!("{} readers of WAL keep up", all.len())),
        [worst, ..] if worst.behind > MUCH_LAG_BYTES => {
            Finding::critical("replication", message(&late), hint)
        }
        _ => Finding::warning("replication", message(&late), hint),
    }
}

/// Connections and transaction ids: both end.
#[derive(QueryableByName)]
struct ConnectionUsageRow {
    #[diesel(sql_type = BigInt)]
    used: i64,
    #[diesel(sql_type = BigInt)]
    allowed: i64,
    #[diesel(sql_type = BigInt)]
    age: i64,
}

async fn limits(conn: &mut AsyncPgConnection) -> anyhow::Result<Finding> {
    let found: ConnectionUsageRow = sql_query(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used, \
             current_setting('max_connections')::bigint AS allowed, \
             (SELECT max(age(datfrozenxid))::bigint FROM pg_database) AS age",
    )
    .get_result(conn)
    .await?;
    Ok(judge(&found))
}

fn judge(ConnectionUsageRow { used, allowed, age }: &ConnectionUsageRow) -> Finding {
    let message = format!("{used} of {allowed} connections");
    if *age > MAX_TRANSACTION_AGE {
        let message = format!(
            "the oldest row is {age} transactions old; PostgreSQL stops writing at 2.1 thousand millions"
        );
        Finding::critical("limits", message, "let VACUUM (FREEZE) run; end what holds it up")
    } else if used * 100 > allowed * MAX_CONNECTIONS_PERCENT {
        Finding::warning("limits", message, "smaller pools, or PgBouncer in front")
    } else {
        Finding::ok("limits", message)
    }
}

/// How long the oldest change of access waits for its followers. Only where they share a database with it. A position ends
/// with transaction and place in WAL (`shared::change_log::Cursor`).
async fn feeds(conn: &mut AsyncPgConnection, thresholds: &Thresholds) -> anyhow::Result<Finding> {
    #[derive(QueryableByName)]
    struct FeedLagRow {
        #[diesel(sql_type = Double)]
        seconds: f64,
    }
    let mut late = Vec::new();
    for schema in ["task", "content"] {
        if !table_exists(conn, "project.change_log").await?
            || !table_exists(conn, &format!("{schema}.feed_positions")).await?
        {
            continue;
        }
        let query = format!(
            "SELECT coalesce(extract(epoch FROM now() - min(c.changed_at)), 0)::float8 AS seconds \
             FROM {schema}.feed_positions f JOIN project.change_log c \
                 ON (c.transaction_id, c.position) > (split_part(f.cursor, '.', -2)::xid8, split_part(f.cursor, '.', -1)::bigint) \
             WHERE f.feed = 'project_access' AND c.entity IN ('projects', 'project_members')"
        );
        let behind = sql_query(query).get_result::<FeedLagRow>(conn).await?.seconds;
        if behind > thresholds.feed_lag.as_secs_f64() {
            late.push(format!("{schema} is {behind:.0} s behind with who may do what"));
        }
    }
    Ok(if late.is_empty() {
        Finding::ok("feeds", "the copies of access keep up")
    } else {
        let hint = "see that project and the service run, and that no transaction is open for long";
        Finding::critical("feeds", late.join("; "), hint)
    })
}

async fn mail(conn: &mut AsyncPgConnection) -> anyhow::Result<Finding> {
    let mut waiting = Vec::new();
    for schema in ["identity", "project"] {
        if table_exists(conn, &format!("{schema}.mail_outbox")).await? {
            let query = format!(
                "SELECT count(*) || ' mails of {schema} were tried in vain' AS line FROM {schema}.mail_outbox \
                 WHERE attempts > 2 HAVING count(*) > 0"
            );
            waiting.extend(sentences(conn, &query).await?);
        }
    }
    Ok(if waiting.is_empty() {
        Finding::ok("mail", "none waits for long")
    } else {
        Finding::warning("mail", waiting.join("; "), "see --mail-url; the services' logs say why")
    })
}

/// Whether `dafnck maintain` runs, and how its jobs ended.
async fn maintenance(conn: &mut AsyncPgConnection) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let late = Job::ALL.map(|job| {
        let hours = job.hours() + MAINTENANCE_GRACE;
        format!("job = '{}' AND started_at < now() - make_interval(hours => {hours})", job.name())
    });
    let late = late.join(" OR ");
    for set in migration_sets() {
        let schema = set.name;
        if !table_exists(conn, &format!("{schema}.maintenance_runs")).await? {
            continue;
        }
        let query = format!(
            "SELECT job || CASE WHEN error IS NULL THEN ' has not ended well for days' ELSE ': ' || error END AS line \
             FROM {schema}.maintenance_runs \
             WHERE error IS NOT NULL OR {late} \
             UNION ALL SELECT 'never ran' WHERE NOT EXISTS (SELECT 1 FROM {schema}.maintenance_runs)"
        );
        for line in sentences(conn, &query).await? {
            findings.push(Finding::warning(
                "maintenance",
                format!("{schema}: {line}"),
                "run `dafnck maintain`, daily",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("maintenance", "ran lately"));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_reader_of_the_log_is_late_from_64_mebibytes_on_and_much_too_late_from_a_gibibyte_on() {
        let found = |behind: i64| {
            let all =
                [("a", behind), ("b", 0)].map(|(name, behind)| Replica { name: name.to_owned(), behind });
            judge_replicas(&all)
        };
        assert_eq!(found(64 << 20), Finding::ok("replication", "2 readers of WAL keep up"));
        assert_eq!(found((64 << 20) + 1).level, Level::Warning);
        assert_eq!(found(1 << 30).level, Level::Warning);
        let worst = found((1 << 30) + 1);
        assert_eq!((worst.level, worst.message.as_str()), (Level::Critical, "a is 1024 MiB behind"));
    }

    #[test]
    fn both_limits_are_told_before_they_are_reached() {
        let level = |used, age| judge(&ConnectionUsageRow { used, allowed: 200, age }).level;
        assert_eq!(level(160, 1_000_000), Level::Ok);
        assert_eq!(level(161, 1_000_000), Level::Warning);
        assert_eq!(level(161, 1_000_000_001), Level::Critical);
    }
}
