//! PostgreSQL alone, by `pgbench`: the same columns in a table of its own, without row-level security and triggers.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use diesel_async::SimpleAsyncConnection;
use local_servers::{ADMIN, RunningPostgres};
use shared::database;
use tempfile::TempDir;
use tokio::process::Command;

use super::suite::Fixtures;
use crate::paths::DATABASE;

const COLUMNS: &str = "id, project_id, parent_task_id, title, description, status, priority, assignee_id, creator_id, \
     milestone_id, start_date, due_date, estimated_minutes, actual_minutes, tags, metadata, created_at, updated_at, completed_at, number, rank, \
     manually_blocked";

/// One kind of statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Get,
    List,
    Create,
    Update,
}

impl Script {
    pub(super) const ALL: [Self; 4] = [Self::Get, Self::List, Self::Create, Self::Update];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "pgbench get",
            Self::List => "pgbench list",
            Self::Create => "pgbench create",
            Self::Update => "pgbench update",
        }
    }

    fn text(self, tasks: usize) -> String {
        let random = format!("\\set number random(1, {tasks})\n");
        match self {
            Self::Get => format!("{random}SELECT {COLUMNS} FROM bench.tasks WHERE number = :number;\n"),
            Self::List => format!(
                "{random}SELECT {COLUMNS} FROM bench.tasks WHERE number <= :number ORDER BY number DESC LIMIT 50;\n"
            ),
            Self::Create => "INSERT INTO bench.created (project_id, title, creator_id) \
                 VALUES (gen_random_uuid(), 'a task of the benchmark', gen_random_uuid()) RETURNING id;\n"
                .to_owned(),
            Self::Update => {
                format!(
                    "{random}UPDATE bench.tasks SET title = 'task ' || :number, updated_at = now() \
                     WHERE number = :number RETURNING id;\n"
                )
            }
        }
    }
}

/// A prepared table and scripts.
pub(super) struct Pgbench {
    program: PathBuf,
    postgres: RunningPostgres,
    scripts: TempDir,
}

impl Pgbench {
    pub(super) async fn prepare(postgres: &RunningPostgres, fixtures: &Fixtures) -> anyhow::Result<Self> {
        let program = postgres.programs.join("pgbench");
        ensure!(program.is_file(), "{} has no pgbench", postgres.programs.display());
        let mut conn = database::connect(&postgres.admin_url(DATABASE)).await?;
        conn.batch_execute(&format!(
            "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; \
             CREATE TABLE bench.tasks AS SELECT {COLUMNS} FROM task.tasks WHERE project_id = '{}'; \
             ALTER TABLE bench.tasks ADD PRIMARY KEY (id); \
             CREATE UNIQUE INDEX ON bench.tasks (number); \
             CREATE TABLE bench.created (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), project_id UUID NOT NULL, \
                 title TEXT NOT NULL, creator_id UUID NOT NULL, created_at TIMESTAMPTZ NOT NULL DEFAULT now()); \
             ANALYZE bench.tasks",
            fixtures.project_id
        ))
        .await?;
        let scripts = tempfile::tempdir()?;
        for script in Script::ALL {
            std::fs::write(scripts.path().join(script.name()), script.text(fixtures.tasks()))?;
        }
        Ok(Self { program, postgres: postgres.clone(), scripts })
    }

    /// Transactions per second.
    pub(super) async fn run(&self, script: Script, clients: usize, time: Duration) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.program);
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
        command.arg(format!("--client={clients}")).arg(format!("--time={}", time.as_secs()));
        command.arg("--file").arg(self.scripts.path().join(script.name()));
        // Not as an argument: everybody can read the arguments of a process.
        command.env("PGPASSWORD", self.postgres.connection.admin_password());
        command.env("PGHOST", &self.postgres.host).env("PGPORT", self.postgres.port.to_string());
        command.env("PGUSER", ADMIN).env("PGDATABASE", DATABASE).kill_on_drop(true);
        let output = command.output().await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        transactions_per_second(&text)
            .with_context(|| format!("pgbench has run no transaction in {time:?}:\n{text}{errors}"))
    }

    pub(super) async fn remove(self) -> anyhow::Result<()> {
        let mut conn = database::connect(&self.postgres.admin_url(DATABASE)).await?;
        Ok(conn.batch_execute("DROP SCHEMA bench CASCADE").await?)
    }
}

fn transactions_per_second(output: &str) -> Option<f64> {
    output.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_report() {
        let report = "number of failed transactions: 0 (0.000%)\nlatency average = 0.030 ms\n\
                      tps = 33271.430498 (without initial connection time)\n";
        assert_eq!(transactions_per_second(report), Some(33_271.430_498));
        assert_eq!(transactions_per_second("pgbench: error: connection failed"), None);
    }
}
