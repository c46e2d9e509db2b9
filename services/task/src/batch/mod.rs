//! Many tasks in one transaction: all of it happens or nothing, and a refusal names the item that it is about.

mod create;
mod delete;
mod queries;
pub(crate) mod rpc;
mod update;
mod wire;

use std::collections::HashMap;
use std::hash::Hash;

use futures::future::try_join_all;
use shared::access::{Permission, ProjectAccess};
use shared::database::Transaction;
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::place::Place;
use crate::tasks::Task;

/// Asks for the permission in the project of each item, once per project.
async fn require_in_all(
    tx: &Transaction,
    user_id: Uuid,
    projects: &[Uuid],
    permission: Permission,
) -> Result<Vec<ProjectAccess>> {
    let first_items = first_places(projects);
    let asked = first_items.iter().map(|(project, index)| async move {
        let access = Place::Project(*project).access(tx, user_id).await.map_err(Error::of_item(*index))?;
        access.require(permission).map_err(Error::of_item(*index))?;
        Ok(access)
    });
    try_join_all(asked).await
}

/// The project of each of these tasks; one that the caller does not see is not there.
fn projects_in_order(visible: &HashMap<Uuid, Uuid>, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let found = ids.iter().enumerate().map(|(index, id)| {
        visible.get(id).copied().ok_or_else(|| Error::of_item(index)(Error::not_found("task", id)))
    });
    found.collect()
}

/// The tasks in the order in which they were asked for.
fn in_order(found: &mut HashMap<Uuid, Task>, ids: impl Iterator<Item = Uuid>) -> Result<Vec<Task>> {
    let ordered = ids.enumerate().map(|(index, id)| {
        found.remove(&id).ok_or_else(|| Error::of_item(index)(Error::not_found("task", id)))
    });
    ordered.collect()
}

/// A refusal of the item at this place, or of the batch if nobody knows which it was.
fn refused_at(place: Option<usize>, refusal: Error) -> Error {
    match place {
        Some(place) => Error::of_item(place)(refusal),
        None => refusal,
    }
}

/// Each value with the place where it first comes up.
fn first_places<T: Copy + Eq + Hash>(values: &[T]) -> HashMap<T, usize> {
    let mut places = HashMap::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        places.entry(*value).or_insert(index);
    }
    places
}
