//! The lock of the dependency graph.

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use shared::error::Result;
use uuid::Uuid;

/// How a transaction locks the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GraphLock {
    /// For a change of a task's status: shared with other transactions, unless the task has dependencies.
    Status,
    /// For a change of edges.
    Exclusive,
}

/// Locks the graph for a task until the transaction ends. Call it before the first row lock: a transaction that holds
/// a row and waits for the graph would deadlock with one that holds the graph and waits for the row.
///
/// Sent as plain text, so that it is on its way before any statement of the same pipeline that must be prepared
/// first.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, task_id: Uuid, lock: Option<GraphLock>) -> Result<()> {
    match lock {
        None => Ok(()),
        Some(GraphLock::Exclusive) => lock_exclusive(conn).await,
        Some(GraphLock::Status) => {
            Ok(conn.batch_execute(&format!("SELECT task.lock_dependency_graph('{task_id}', FALSE)")).await?)
        }
    }
}

/// Locks the graph exclusively, like [`lock`], for changes that concern many tasks.
pub(crate) async fn lock_exclusive(mut conn: &AsyncPgConnection) -> Result<()> {
    Ok(conn.batch_execute("SELECT pg_advisory_xact_lock(task.dependency_graph_lock_key())").await?)
}

/// Locks the graph shared, like [`lock`], for inserts that check several parents: waits only for exclusive holders,
/// such as deletions.
pub(crate) async fn lock_shared(mut conn: &AsyncPgConnection) -> Result<()> {
    Ok(conn.batch_execute("SELECT pg_advisory_xact_lock_shared(task.dependency_graph_lock_key())").await?)
}
