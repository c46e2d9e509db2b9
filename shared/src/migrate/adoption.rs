//! Changes that come from another cluster's future.
//!
//! A restored dump brings its transaction ids along. In a cluster that has counted less far they would be unsettled for
//! as long as it takes to get there, and nobody would be told of them. So they become changes of now; the order among
//! them stays, and those who follow start from a snapshot anyway, because a restored log is another life's.

use anyhow::Context;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::Set;

/// Takes over what a restored dump has brought; nothing to do is the rule. One statement each: no id that this
/// snapshot sees can lie beyond it, unless it is another cluster's.
pub(super) async fn adopt(conn: &mut AsyncPgConnection, set: &Set) -> anyhow::Result<()> {
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
