//! The ledger of a set: which migrations have been applied to this database.

use diesel::sql_types::{Integer, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{AppliedMigration, Set, Step};

/// Key of the advisory lock under which migrations run, the same for every set, and none that a script's functions
/// take: whoever calls those would wait for the end of the migration.
const LOCK_KEY: i64 = 7_236_277_130_200;

/// How long a runner waits for another one to end.
const RUNNER_WAIT_MINUTES: u32 = 30;

/// What must be there before the first script. Roles belong to the cluster and may be made by two databases
/// at once.
pub(super) fn prologue(set: &Set) -> String {
    let schema = set.name;
    format!(
        r#"
        SET lock_timeout = '{RUNNER_WAIT_MINUTES}min';
        SELECT pg_advisory_lock({LOCK_KEY});
        SET client_min_messages = warning;
        DO $$ BEGIN
            CREATE ROLE dafnck_owner NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END $$;
        DO $$ BEGIN
            IF NOT pg_has_role(current_user, 'dafnck_owner', 'member') THEN
                EXECUTE format('GRANT dafnck_owner TO %I', current_user);
            END IF;
        END $$;
        CREATE SCHEMA IF NOT EXISTS "{schema}" AUTHORIZATION dafnck_owner;
        CREATE TABLE IF NOT EXISTS "{schema}".schema_migrations (
            version INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            checksum TEXT NOT NULL,
            applied_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
        );
        ALTER TABLE "{schema}".schema_migrations OWNER TO dafnck_owner;
        "#
    )
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    checksum: String,
}

pub(super) async fn read(conn: &mut AsyncPgConnection, set: &Set) -> anyhow::Result<Vec<AppliedMigration>> {
    let rows: Vec<Row> = sql_query(format!(
        r#"SELECT version, name, checksum FROM "{}".schema_migrations ORDER BY version"#,
        set.name
    ))
    .load(conn)
    .await?;
    let applied =
        |row: Row| AppliedMigration { version: row.version, name: row.name, checksum: row.checksum };
    Ok(rows.into_iter().map(applied).collect())
}

/// Notes or strikes out a step, in the step's own transaction.
pub(super) async fn record(conn: &mut AsyncPgConnection, set: &Set, step: &Step) -> anyhow::Result<()> {
    let ledger = format!(r#""{}".schema_migrations"#, set.name);
    match &step.checksum {
        Some(checksum) => {
            sql_query(format!("INSERT INTO {ledger} (version, name, checksum) VALUES ($1, $2, $3)"))
                .bind::<Integer, _>(step.version)
                .bind::<Text, _>(&step.name)
                .bind::<Text, _>(checksum)
                .execute(conn)
                .await?;
        }
        None => {
            sql_query(format!("DELETE FROM {ledger} WHERE version = $1"))
                .bind::<Integer, _>(step.version)
                .execute(conn)
                .await?;
        }
    }
    Ok(())
}
