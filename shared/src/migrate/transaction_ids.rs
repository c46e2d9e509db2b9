//! Adapts the change log of a dump that was restored from another cluster.
//!
//! A restored dump keeps its transaction ids. In a cluster whose ids are lower, they would count as running for as long as
//! it takes to get there, and no reader would see those changes. So they become changes of the present transaction; their
//! order stays. Readers start from a snapshot anyway, because a restored log belongs to another incarnation.

use anyhow::Context;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::Set;

/// Adapts the log; mostly there is nothing to do. One statement each: no id that this snapshot sees can lie beyond it,
/// unless it comes from another cluster.
pub(super) async fn reassign(conn: &mut AsyncPgConnection, set: &Set) -> anyhow::Result<()> {
    if set.joins_schemas {
        return Ok(());
    }
    let schema = set.name;
    let beyond = "transaction_id >= pg_snapshot_xmax(pg_current_snapshot())";
    for statement in [
        format!("UPDATE {schema}.change_log SET transaction_id = pg_current_xact_id() WHERE {beyond}"),
        format!("UPDATE {schema}.change_log_horizon SET transaction_id = '0', position = 0 WHERE {beyond}"),
    ] {
        conn.batch_execute(&statement)
            .await
            .with_context(|| format!("cannot take over the changes of {schema} from another cluster"))?;
    }
    Ok(())
}
