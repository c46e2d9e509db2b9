//! One step: its pre-flight, its script and its line in the ledger, in one transaction.
//!
//! A statement that changes a table waits for the transactions that use it, and everybody else waits behind that
//! statement. So a step waits only as long as a call may be held up unnoticed, is undone as a whole, lets the others
//! pass and tries again.

use std::time::Duration;

use anyhow::{Context, bail};
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{Set, Step, ledger};

/// How long a step waits for a lock: far below any call's deadline, and below `deadlock_timeout` (1 s), so that of a
/// step and a call that wait for each other it is the step that gives way.
const LOCK_TIMEOUT_MS: u32 = 400;
/// How often a step is tried while others hold its locks, and how long it lets them pass in between: about two minutes.
const LOCK_ATTEMPTS: u32 = 60;
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(200);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);
/// How long one statement of a step may run. A script that needs more says so with a `SET LOCAL` of its own.
const STATEMENT_TIMEOUT_MINUTES: u32 = 15;
/// Most rows that a refusal names.
const MAX_NAMED_ROWS: usize = 20;

/// A sentence for each row that is in a step's way.
#[derive(QueryableByName)]
struct OffendingRow {
    #[diesel(sql_type = Text)]
    problem: String,
}

/// Runs a step, with retries while others hold the locks that it needs.
pub(super) async fn apply(conn: &mut AsyncPgConnection, set: &Set, step: &Step) -> anyhow::Result<()> {
    let mut pause = FIRST_RETRY_DELAY;
    for attempt in 1..=LOCK_ATTEMPTS {
        match try_once(conn, set, step).await {
            Err(error) if is_lock_conflict(&error) && attempt < LOCK_ATTEMPTS => {
                tracing::info!(set = set.name, step = step.name, attempt, "waiting for others' locks");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_RETRY_DELAY);
            }
            Err(error) if is_lock_conflict(&error) => {
                return Err(error).context(
                    "other transactions held what it needs all the time. End the long ones (`dafnck doctor` names them), \
                     or wait for a quieter hour",
                );
            }
            outcome => return outcome,
        }
    }
    Ok(())
}

async fn try_once(conn: &mut AsyncPgConnection, set: &Set, step: &Step) -> anyhow::Result<()> {
    let limits = format!(
        "SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_MINUTES}min'"
    );
    conn.transaction::<(), anyhow::Error, _>(async |conn| {
        conn.batch_execute(&limits).await?;
        if let Some(question) = &step.preflight {
            refuse_offending_rows(conn, question).await?;
        }
        conn.batch_execute(&step.script).await?;
        conn.batch_execute("RESET ROLE; RESET search_path").await?;
        ledger::record(conn, set, step).await?;
        Ok(())
    })
    .await
}

/// The sentences that a pre-flight answers, at most one more than are named.
pub(super) async fn find_offending_rows(
    conn: &mut AsyncPgConnection,
    preflight: &str,
) -> anyhow::Result<Vec<String>> {
    // The lines of their own keep a comment at the end of the query from reaching further.
    let limited =
        format!("SELECT problem FROM (\n{preflight}\n) AS offending (problem) LIMIT {}", MAX_NAMED_ROWS + 1);
    conn.batch_execute("SET LOCAL ROLE dafnck_owner").await?;
    let found: Vec<OffendingRow> = sql_query(limited).load(conn).await.context("the pre-flight")?;
    conn.batch_execute("RESET ROLE").await?;
    Ok(found.into_iter().map(|offence| offence.problem).collect())
}

async fn refuse_offending_rows(conn: &mut AsyncPgConnection, preflight: &str) -> anyhow::Result<()> {
    let found = find_offending_rows(conn, preflight).await?;
    if !found.is_empty() {
        bail!("rows are in its way:{}", listed(&found));
    }
    Ok(())
}

/// One line for each, and a word for what is left out.
pub(super) fn listed(rows: &[String]) -> String {
    let mut text: String = rows.iter().take(MAX_NAMED_ROWS).map(|row| format!("\n  {row}")).collect();
    if rows.len() > MAX_NAMED_ROWS {
        text.push_str("\n  … and more");
    }
    text
}

/// Whether a step failed only because others held locks; the server has no other names for it in Diesel.
fn is_lock_conflict(error: &anyhow::Error) -> bool {
    let Some(diesel::result::Error::DatabaseError(_, information)) = error.downcast_ref() else {
        return false;
    };
    ["due to lock timeout", "deadlock detected"].iter().any(|text| information.message().contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_twenty_rows_and_says_when_there_are_more() {
        let rows: Vec<String> = (0..=MAX_NAMED_ROWS).map(|n| format!("row {n}")).collect();
        assert!(listed(&rows).ends_with("\n  row 19\n  … and more"));
        assert_eq!(listed(&rows[..2]), "\n  row 0\n  row 1");
    }
}
