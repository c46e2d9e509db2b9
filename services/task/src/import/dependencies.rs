//! A batch of dependencies.

use std::collections::HashMap;

use serde_json::Value;
use shared::error::{Error, Result};
use shared::importing::{created, refused, unchanged};
use shared::proto::common::ImportResult;
use shared::proto::task::internal::v1 as pb;

use super::queries::{self, Outcome};
use super::wire::{check_size, read_dependency};
use crate::handlers::Handlers;

impl Handlers {
    /// Stores a batch of dependencies and says what became of each.
    pub(super) async fn import_dependency_batch(
        &self,
        batch: pb::ImportTaskDependenciesRequest,
    ) -> Result<Vec<ImportResult>> {
        check_size("dependencies", batch.dependencies.len())?;
        let items: Vec<(u64, Result<Value, String>)> = batch
            .dependencies
            .iter()
            .enumerate()
            .map(|(place, item)| (item.line, read_dependency(place, item)))
            .collect();
        let sound = items.iter().filter_map(|(_, item)| item.as_ref().ok().cloned()).collect();

        let tx = self.ground.worker.begin_background().await?;
        // A task that a dependency makes blocked was not worked on by that.
        tx.keep_dates()?;
        let outcomes = queries::import_dependencies(&tx, Value::Array(sound)).await?;
        tx.commit().await?;
        self.ground.signal.announce();
        let outcomes: HashMap<i64, Outcome> =
            outcomes.into_iter().map(|outcome| (outcome.line, outcome)).collect();
        items
            .into_iter()
            .zip(0..)
            .map(|((line, item), place)| result(line, item, outcomes.get(&place)))
            .collect()
    }
}

fn result(line: u64, item: Result<Value, String>, outcome: Option<&Outcome>) -> Result<ImportResult> {
    if let Err(sentence) = item {
        return Ok(refused(line, sentence));
    }
    let outcome = outcome.ok_or_else(|| Error::internal("an imported dependency has no outcome"))?;
    Ok(match outcome.outcome.as_str() {
        "created" => created(line),
        "unchanged" => unchanged(line),
        _ => refused(line, outcome.reason.clone()),
    })
}
