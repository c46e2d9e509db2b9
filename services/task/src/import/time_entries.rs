//! Imports a batch of time entries.

use proto::common::ImportResult;
use proto::task::admin::v1 as pb;
use shared::error::Result;
use shared::user_lookup::known_users;

use super::outcome::{Item, results, valid_items};
use super::queries;
use super::tasks::distinct;
use super::wire::{check_size, read_time_entry};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(super) async fn import_time_entry_batch(
        &self,
        batch: pb::ImportTimeEntriesRequest,
    ) -> Result<Vec<ImportResult>> {
        check_size("time_entries", batch.time_entries.len())?;
        let named = batch.time_entries.iter().filter_map(|item| item.user_id.parse().ok());
        let users = known_users(&self.context.siblings, &distinct(named), false).await?;
        let read = |(index, item): (usize, &pb::ImportedTimeEntry)| {
            (item.line, read_time_entry(index, item, &users))
        };
        let items: Vec<Item> = batch.time_entries.iter().enumerate().map(read).collect();

        let tx = self.context.worker.begin_background().await?;
        // The work of imported tasks includes their time already, and they keep their `updated_at`.
        tx.keep_dates()?;
        let outcomes = queries::import_time_entries(&tx, valid_items(&items)).await?;
        tx.commit().await?;
        self.context.signal.announce();
        results(items, outcomes)
    }
}
