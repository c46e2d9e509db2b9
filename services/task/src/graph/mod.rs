//! The graph of tasks: who waits for whom.

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use shared::error::Result;
use uuid::Uuid;

/// How a transaction takes part in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It changes the status of a task: together with others, unless the task has dependencies.
    Status,
    /// It changes what waits for what.
    Alone,
}

/// Enters the graph for a task, until the transaction ends. Comes before the first lock of a row: one who holds a row
/// and waits for the graph would stop one who is in the graph and waits for the row.
///
/// Sent as plain text, so that it is on its way before any statement of the same flight that must be prepared first.
pub(crate) async fn enter(mut conn: &AsyncPgConnection, task_id: Uuid, entry: Option<Entry>) -> Result<()> {
    match entry {
        None => Ok(()),
        Some(Entry::Alone) => enter_alone(conn).await,
        Some(Entry::Status) => {
            Ok(conn.batch_execute(&format!("SELECT task.lock_dependency_graph('{task_id}', FALSE)")).await?)
        }
    }
}

/// Enters the graph alone, as [`enter`] does, for changes that concern many tasks.
pub(crate) async fn enter_alone(mut conn: &AsyncPgConnection) -> Result<()> {
    Ok(conn.batch_execute("SELECT pg_advisory_xact_lock(task.dependency_graph_lock_key())").await?)
}

/// Keeps those out who enter alone, as [`enter`] does, for new tasks: who makes sure that several parents are there
/// waits for nobody who deletes some of them.
pub(crate) async fn enter_together(mut conn: &AsyncPgConnection) -> Result<()> {
    Ok(conn.batch_execute("SELECT pg_advisory_xact_lock_shared(task.dependency_graph_lock_key())").await?)
}
