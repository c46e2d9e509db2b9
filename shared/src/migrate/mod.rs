//! The migration runner: numbered up and down scripts, embedded in the binary, one transaction each.
//!
//! A set has a ledger, `<schema>.schema_migrations`. Before anything runs, the ledger is compared with the
//! embedded scripts; a changed script, a gap or a version from the future is refused with a sentence that
//! says what to do. An advisory lock makes concurrent runners wait for each other. A step whose `preflight.sql`
//! finds rows that would break it is refused with their names, before it changes anything.

mod apply;
mod plan;
mod schema_migrations;
mod sets;
mod transaction_ids;

pub use plan::{AppliedMigration, Plan, PlanError, Step};
pub use sets::{Migration, Set};

use anyhow::Context;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use crate::config::Secret;

/// Brings a set up to its newest version, and adapts a dump that was restored from another cluster.
/// Returns how many steps ran.
///
/// # Errors
/// When the ledger does not fit the scripts, or a step fails; that step is then undone as a whole.
pub async fn up(url: &Secret, set: &Set) -> anyhow::Result<usize> {
    let mut conn = open(url, set).await?;
    let plan = Plan::up(set, &schema_migrations::read(&mut conn, set).await?)?;
    let steps = run(&mut conn, set, &plan).await?;
    transaction_ids::reassign(&mut conn, set).await?;
    Ok(steps)
}

/// Brings a set up to this version and no further. Returns how many steps ran.
pub async fn up_to(url: &Secret, set: &Set, version: i32) -> anyhow::Result<usize> {
    let mut conn = open(url, set).await?;
    let mut plan = Plan::up(set, &schema_migrations::read(&mut conn, set).await?)?;
    plan.steps.retain(|step| step.version <= version);
    run(&mut conn, set, &plan).await
}

/// Reverts a set to a version (0: nothing). Returns how many steps ran.
pub async fn down(url: &Secret, set: &Set, to_version: i32) -> anyhow::Result<usize> {
    let mut conn = open(url, set).await?;
    let plan = Plan::down(set, &schema_migrations::read(&mut conn, set).await?, to_version)?;
    run(&mut conn, set, &plan).await
}

/// The migrations that have been applied.
///
/// # Errors
/// When the database does not answer.
pub async fn applied(url: &Secret, set: &Set) -> anyhow::Result<Vec<AppliedMigration>> {
    let mut conn = open(url, set).await?;
    schema_migrations::read(&mut conn, set).await
}

/// What the pre-flights of the missing steps say, without changing anything: for each step that has one, its name and
/// the rows in its way; `None` while the tables that it asks are still to be made by a step before it, or by another set.
///
/// # Errors
/// When the ledger does not fit the scripts, or the database does not answer.
pub async fn preflight(url: &Secret, set: &Set) -> anyhow::Result<Vec<(String, Option<Vec<String>>)>> {
    let mut conn = open(url, set).await?;
    let plan = Plan::up(set, &schema_migrations::read(&mut conn, set).await?)?;
    let mut answers = Vec::new();
    for (index, step) in plan.steps.into_iter().enumerate() {
        let Some(question) = step.preflight else { continue };
        conn.batch_execute("BEGIN READ ONLY").await?;
        let offences = apply::find_offending_rows(&mut conn, &question).await;
        conn.batch_execute("ROLLBACK").await?;
        // The first missing step is asked the schema that it will find; a later one may ask what is not there yet, and so may
        // the foreign keys, which come after all other sets.
        let may_come_early = index > 0 || set.joins_schemas;
        let offences = if offences.is_err() && may_come_early { None } else { Some(offences?) };
        answers.push((step.name, offences));
    }
    Ok(answers)
}

/// Connects, waits for other runners, and makes sure that the owner, the schema and the ledger are there.
async fn open(url: &Secret, set: &Set) -> anyhow::Result<AsyncPgConnection> {
    let mut conn = crate::database::connect(url).await.context("cannot connect for migrations")?;
    conn.batch_execute(&schema_migrations::prologue(set))
        .await
        .with_context(|| format!("cannot prepare {}", set.name))?;
    Ok(conn)
}

async fn run(conn: &mut AsyncPgConnection, set: &Set, plan: &Plan) -> anyhow::Result<usize> {
    for step in &plan.steps {
        apply::apply(conn, set, step).await.with_context(|| {
            format!(
                "migration {}/{} failed and was undone as a whole; nothing of it remains. \
                 Fix the cause and run it again",
                set.name, step.name
            )
        })?;
        tracing::info!(set = set.name, step = step.name, "migrated");
    }
    Ok(plan.steps.len())
}
