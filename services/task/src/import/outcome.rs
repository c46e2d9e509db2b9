//! What became of items that the database stores one by one.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use proto::common::ImportResult;
use serde_json::Value;
use shared::error::{Error, Result};
use shared::import::{created, refused, unchanged};

/// What became of one item.
#[derive(QueryableByName)]
pub(super) struct Outcome {
    /// Its place in the batch.
    #[diesel(sql_type = BigInt)]
    pub(super) line: i64,
    /// `created`, `unchanged` or `refused`.
    #[diesel(sql_type = Text)]
    pub(super) outcome: String,
    /// Why it is refused.
    #[diesel(sql_type = Text)]
    pub(super) reason: String,
}

/// An item under the number that the caller gave it, as the database takes it; or why it is malformed.
pub(super) type Item = (u64, Result<Value, String>);

/// The items that are well formed, for the database.
pub(super) fn sound(items: &[Item]) -> Value {
    Value::Array(items.iter().filter_map(|(_, item)| item.as_ref().ok().cloned()).collect())
}

/// The results of items in their order; outcomes are told under the items' places.
pub(super) fn results(items: Vec<Item>, outcomes: Vec<Outcome>) -> Result<Vec<ImportResult>> {
    let outcomes: HashMap<i64, Outcome> =
        outcomes.into_iter().map(|outcome| (outcome.line, outcome)).collect();
    items.into_iter().zip(0..).map(|((line, item), place)| result(line, item, outcomes.get(&place))).collect()
}

fn result(line: u64, item: Result<Value, String>, outcome: Option<&Outcome>) -> Result<ImportResult> {
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
