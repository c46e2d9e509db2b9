//! Outcomes of items that the database imports one by one.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use proto::common::ImportResult;
use serde_json::Value;
use shared::error::{Error, Result};
use shared::import::{created, refused, unchanged};

#[derive(QueryableByName)]
pub(super) struct ItemOutcome {
    /// Index in the batch.
    #[diesel(sql_type = BigInt)]
    pub(super) line: i64,
    /// `created`, `unchanged` or `refused`.
    #[diesel(sql_type = Text)]
    pub(super) outcome: String,
    /// Why the item is refused.
    #[diesel(sql_type = Text)]
    pub(super) reason: String,
}

/// The caller's line number, and the item as the database takes it or why it is malformed.
pub(super) type Item = (u64, Result<Value, String>);

/// The well-formed items.
pub(super) fn valid_items(items: &[Item]) -> Value {
    Value::Array(items.iter().filter_map(|(_, item)| item.as_ref().ok().cloned()).collect())
}

/// The results in the order of the items; `outcomes` refer to items by index.
pub(super) fn results(items: Vec<Item>, outcomes: Vec<ItemOutcome>) -> Result<Vec<ImportResult>> {
    let outcomes: HashMap<i64, ItemOutcome> =
        outcomes.into_iter().map(|outcome| (outcome.line, outcome)).collect();
    items.into_iter().zip(0..).map(|((line, item), index)| result(line, item, outcomes.get(&index))).collect()
}

fn result(line: u64, item: Result<Value, String>, outcome: Option<&ItemOutcome>) -> Result<ImportResult> {
    if let Err(sentence) = item {
        return Ok(refused(line, sentence));
    }
    let outcome = outcome.ok_or_else(|| Error::internal("an imported item has no outcome"))?;
    Ok(match outcome.outcome.as_str() {
        "created" => created(line),
        "unchanged" => unchanged(line),
        _ => refused(line, outcome.reason.clone()),
    })
}
