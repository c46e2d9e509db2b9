//! `dafnck maintain`: what a database needs from time to time beside autovacuum.
//!
//! Each job has a row in `maintenance_runs` and an advisory lock: of runs at the same time, from wherever, one does the
//! job and the others leave it; and a job that ran lately is left alone. Each may be cut off and run again.
//!
//! Deliberately not here: what the services forget by themselves (sessions, codes, request ids, old changes, files).

mod jobs;
pub mod logs;

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use shared::config::{Secret, TelemetryOptions};
use shared::migrate::Set;
use shared::service::cancel_on_signal;
use tokio_util::sync::CancellationToken;

use crate::administration::{AdminOptions, table_exists};
use crate::output::{self, say};
use crate::services::migration_sets;

/// How often the local suite looks whether a job is due.
pub const INTERVAL: Duration = Duration::from_secs(3600);

/// Which databases, and whether to wait until jobs are due.
#[derive(Args, Clone, Debug)]
pub struct MaintainOptions {
    /// The databases.
    #[command(flatten)]
    admin: AdminOptions,
    /// Do every job now, also those that ran lately
    #[arg(long)]
    now: bool,
    /// Do what is due each hour, until told to stop (SIGTERM)
    #[arg(long, conflicts_with = "now")]
    forever: bool,
    /// What --forever says.
    #[command(flatten)]
    telemetry: TelemetryOptions,
}

/// Something that is done from time to time, in each schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Notes the size of each table once a day.
    Measure,
    /// Counts again where many rows have changed since the planner last did.
    Analyze,
    /// Rebuilds indexes that are mostly empty, beside the traffic.
    Reindex,
}

impl MaintainOptions {
    /// Whether this goes on until it is told to end.
    pub const fn is_server(&self) -> bool {
        self.forever
    }
}

impl Job {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Measure, Self::Analyze, Self::Reindex];

    /// Its name in `maintenance_runs`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Measure => "measure",
            Self::Analyze => "analyze",
            Self::Reindex => "reindex",
        }
    }

    /// How long after its last run it is due again, in hours: a little less than a day, for what runs daily.
    pub(crate) const fn hours(self) -> i32 {
        match self {
            Self::Measure | Self::Analyze => 20,
            Self::Reindex => 6 * 24,
        }
    }
}

/// What became of a job in one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran lately, or somebody else does it.
    Skipped,
    /// What was done, one thing each.
    Done(Vec<String>),
}

/// Does what is due and prints what was done.
///
/// # Errors
/// When a job fails; the others have been done all the same.
pub async fn command(options: &MaintainOptions) -> anyhow::Result<()> {
    if options.forever {
        let _telemetry = shared::telemetry::init(&options.telemetry, "maintain")?;
        let shutdown = CancellationToken::new();
        tokio::spawn(cancel_on_signal(shutdown.clone()));
        let directory = options.admin.is_local().then_some(options.admin.data_directory.as_path());
        shutdown.run_until_cancelled(run_periodically(options.admin.urls()?, directory)).await;
        return Ok(());
    }
    let mut report = MaintenanceReport { jobs: Vec::new(), rotated_logs: None };
    for url in &options.admin.urls()? {
        say("maintaining the database…");
        for (name, outcome) in maintain(url, options.now).await? {
            let (done, error) = match outcome {
                Ok(Outcome::Skipped) => (None, None),
                Ok(Outcome::Done(things)) => (Some(things), None),
                Err(error) => (None, Some(format!("{error:#}"))),
            };
            report.jobs.push(JobReport { name, done, error });
        }
    }
    if options.admin.is_local() {
        report.rotated_logs = Some(logs::rotate(&options.admin.data_directory)?);
    }
    output::report(&report)?;
    let failed = report.jobs.iter().filter_map(|job| Some(format!("{}: {}", job.name, job.error.as_ref()?)));
    let failed = failed.collect::<Vec<_>>();
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// What became of the jobs.
#[derive(Serialize)]
struct MaintenanceReport {
    jobs: Vec<JobReport>,
    /// Of the local suite.
    rotated_logs: Option<usize>,
}

#[derive(Serialize)]
struct JobReport {
    name: String,
    /// What was done; `null` if it was not due or failed.
    done: Option<Vec<String>>,
    error: Option<String>,
}

impl fmt::Display for MaintenanceReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for JobReport { name, done, .. } in self.jobs.iter().filter(|job| job.error.is_none()) {
            match done.as_deref() {
                None => writeln!(out, "{name}: not due")?,
                Some([]) => writeln!(out, "{name}: nothing to do")?,
                Some(things) => writeln!(out, "{name}: {}", things.join(", "))?,
            }
        }
        self.rotated_logs.iter().try_for_each(|count| writeln!(out, "logs: rotated {count}"))
    }
}

/// Does every job that is due in the schemas of a database; `now` does all.
///
/// # Errors
/// When the database does not answer. A job's own failure is in its place, and in `maintenance_runs`.
pub async fn maintain(url: &Secret, now: bool) -> anyhow::Result<Vec<(String, anyhow::Result<Outcome>)>> {
    shared::database::wait_until_reachable(url).await;
    let mut conn = shared::database::connect(url).await?;
    let mut outcomes = Vec::new();
    for set in migration_sets() {
        if !table_exists(&mut conn, &format!("{}.maintenance_runs", set.name)).await? {
            continue;
        }
        for job in Job::ALL {
            let hours = if now { 0 } else { job.hours() };
            let outcome = run(&mut conn, set, job, hours).await;
            outcomes.push((format!("{} {}", set.name, job.name()), outcome));
        }
    }
    Ok(outcomes)
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

/// A job in a schema: alone, if it is due, and with a note of how it ended.
async fn run(conn: &mut AsyncPgConnection, set: &Set, job: Job, hours: i32) -> anyhow::Result<Outcome> {
    let key = format!("dafnck maintain {} {}", set.name, job.name());
    let lock = sql_query("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS yes").bind::<Text, _>(&key);
    if !lock.get_result::<Answer>(conn).await?.yes {
        return Ok(Outcome::Skipped);
    }
    let outcome = if claim(conn, set, job, hours).await? {
        let done = jobs::run(conn, set.name, job).await;
        note(conn, set, job, done.as_ref().err()).await?;
        done.map(Outcome::Done)
    } else {
        Ok(Outcome::Skipped)
    };
    sql_query("SELECT pg_advisory_unlock(hashtextextended($1, 0)) AS yes")
        .bind::<Text, _>(&key)
        .execute(conn)
        .await?;
    outcome
}

/// Whether it is due; from now on it is not.
async fn claim(conn: &mut AsyncPgConnection, set: &Set, job: Job, hours: i32) -> anyhow::Result<bool> {
    let claimed = sql_query(format!(
        "INSERT INTO {0}.maintenance_runs AS r (job, started_at) VALUES ($1, clock_timestamp()) \
         ON CONFLICT (job) DO UPDATE SET started_at = clock_timestamp(), error = NULL \
         WHERE r.error IS NOT NULL OR r.started_at <= clock_timestamp() - make_interval(hours => $2::integer)",
        set.name
    ))
    .bind::<Text, _>(job.name())
    .bind::<BigInt, _>(i64::from(hours))
    .execute(conn)
    .await?;
    Ok(claimed > 0)
}

async fn note(
    conn: &mut AsyncPgConnection,
    set: &Set,
    job: Job,
    failure: Option<&anyhow::Error>,
) -> anyhow::Result<()> {
    sql_query(format!(
        "UPDATE {}.maintenance_runs SET finished_at = clock_timestamp(), error = $2 WHERE job = $1",
        set.name
    ))
    .bind::<Text, _>(job.name())
    .bind::<Nullable<Text>, _>(failure.map(|error| format!("{error:#}")))
    .execute(conn)
    .await?;
    Ok(())
}

/// Maintains databases, and the logs of a local suite, again and again; what fails is said in the log, in
/// `maintenance_runs` and by the doctor.
pub async fn run_periodically(urls: Vec<Secret>, data_directory: Option<&Path>) -> Infallible {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        for url in &urls {
            match maintain(url, false).await {
                Ok(outcomes) => outcomes.into_iter().for_each(|(what, outcome)| {
                    if let Err(error) = outcome {
                        tracing::warn!(what, error = format!("{error:#}"), "maintenance failed");
                    }
                }),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "maintenance failed"),
            }
        }
        if let Some(Err(error)) = data_directory.map(logs::rotate) {
            tracing::warn!(%error, "the logs could not be rotated");
        }
    }
}
