//! Batches: all items succeed in one transaction or none does, and an error names the index of the item.

mod create;
mod delete;
mod get;
mod queries;
pub(crate) mod rpc;
mod update;
mod wire;

use std::collections::HashMap;
use std::hash::Hash;

use futures::future::try_join_all;
use shared::access::{AccessTarget, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::handler::TaskHandler;
use crate::tasks::Task;
use crate::tasks::queries::MAX_RESPONSE_BYTES;

/// The result of claiming the request id of a batch.
enum BatchClaim<R, A> {
    /// An earlier call with the same request id succeeded.
    Replayed(R),
    /// The request is new and may go on in this transaction.
    New(Box<(Transaction, A)>),
}

impl TaskHandler {
    /// Requires the permissions in the project of each item, with one check per project.
    async fn require_in_all(
        &self,
        tx: &Transaction,
        caller: &Caller,
        projects: &[Uuid],
        permissions: &[Permission],
    ) -> Result<Vec<ProjectAccess>> {
        let first_items = first_indexes(projects);
        let checks = first_items.iter().map(|(project, index)| async move {
            let target = AccessTarget::project(*project);
            let access = self.authorizer.access(tx, caller, &target).await.map_err(Error::of_item(*index))?;
            for permission in permissions {
                access.require(*permission).map_err(Error::of_item(*index))?;
            }
            Ok(access)
        });
        try_join_all(checks).await
    }
}

/// Rejects a batch whose tasks would not fit into the response.
fn require_fitting(bytes: usize, field: &str) -> Result<()> {
    if i64::try_from(bytes).is_ok_and(|bytes| bytes <= MAX_RESPONSE_BYTES) {
        return Ok(());
    }
    Err(Error::invalid(field, "the tasks together are larger than 4 MiB; use smaller batches"))
}

/// The project of each task; `NOT_FOUND` for one that the caller does not see.
fn projects_of_items(visible: &HashMap<Uuid, Uuid>, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let found = ids.iter().enumerate().map(|(index, id)| {
        visible.get(id).copied().ok_or_else(|| Error::of_item(index)(Error::not_found("task", id)))
    });
    found.collect()
}

/// The tasks in the order of the request.
fn in_request_order(found: &mut HashMap<Uuid, Task>, ids: impl Iterator<Item = Uuid>) -> Result<Vec<Task>> {
    let ordered = ids.enumerate().map(|(index, id)| {
        found.remove(&id).ok_or_else(|| Error::of_item(index)(Error::not_found("task", id)))
    });
    ordered.collect()
}

/// An error of the item with this index, or of the batch if the index is unknown.
fn at_item(index: Option<usize>, refusal: Error) -> Error {
    match index {
        Some(index) => Error::of_item(index)(refusal),
        None => refusal,
    }
}

/// Each value with its first index.
fn first_indexes<T: Copy + Eq + Hash>(values: &[T]) -> HashMap<T, usize> {
    let mut indexes = HashMap::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        indexes.entry(*value).or_insert(index);
    }
    indexes
}
