//! Batches from proto: each item is validated like its single call, and all violations are reported.

use std::collections::HashSet;

use proto::task::v1 as pb;
use shared::error::{Error, Result};
use shared::etag;
use shared::idempotency::RequestKey;
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use crate::tasks::wire::{CreateTaskInput, UpdateTaskInput};
use crate::tasks::{NewTask, Task};

#[derive(Debug)]
pub(super) struct BatchCreateTasksInput {
    pub(super) key: Option<RequestKey>,
    pub(super) project_id: Uuid,
    pub(super) items: Vec<NewTask>,
    /// Indexes of the items without an id.
    generated: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct BatchUpdateTasksInput {
    pub(super) key: Option<RequestKey>,
    pub(super) items: Vec<UpdateTaskInput>,
}

#[derive(Debug)]
pub(super) struct BatchDeleteTasksInput {
    pub(super) key: Option<RequestKey>,
    pub(super) items: Vec<DeleteTaskInput>,
}

#[derive(Debug)]
pub(super) struct DeleteTaskInput {
    pub(super) id: Uuid,
    pub(super) etag: String,
}

impl DeleteTaskInput {
    pub(super) fn check(&self, task: &Task) -> Result<()> {
        etag::check(&self.etag, task.version)
    }
}

impl BatchCreateTasksInput {
    pub(super) fn read(request: pb::BatchCreateTasksRequest, creator_id: Uuid) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let project_id = v.uuid("project_id", &request.project_id);
        check_count(&mut v, "requests", request.requests.len());
        let (mut items, mut generated) = (Vec::new(), Vec::new());
        for (index, mut item) in request.requests.into_iter().take(MAX_BATCH).enumerate() {
            let field = |name: &str| format!("requests[{index}].{name}");
            let fits = item.project_id.is_empty() || item.project_id == request.project_id;
            v.require(fits, &field("project_id"), "must be empty or that of the batch");
            v.require(item.request_id.is_empty(), &field("request_id"), "belongs to the batch");
            item.project_id.clone_from(&request.project_id);
            item.request_id.clear();
            if item.task_id.is_empty() {
                generated.push(index);
            }
            items.extend(read_item(&mut v, index, || CreateTaskInput::read(item, creator_id))?);
        }
        v.finish()?;
        let items: Vec<NewTask> = items.into_iter().map(|item| item.task).collect();
        check_each_once(items.iter().map(|task| task.id), "task_id")?;
        Ok(Self { key, project_id, items, generated })
    }

    /// Derives missing ids from the batch's id and their index, so that a retry that finds the batch's id finds
    /// theirs.
    pub(super) fn assign_item_ids(&mut self, batch_id: Uuid) {
        let ids = self.ids_in_batch(batch_id);
        self.items.iter_mut().zip(ids).for_each(|(item, id)| item.id = id);
    }

    /// The ids of the items of an earlier call with this batch id.
    pub(super) fn ids_in_batch(&self, batch_id: Uuid) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = self.items.iter().map(|item| item.id).collect();
        for index in &self.generated {
            if let Some(id) = ids.get_mut(*index) {
                *id = id_in_batch(batch_id, *index);
            }
        }
        ids
    }
}

/// A batch id whose last two bytes are zero, for the indexes of its items.
pub(super) fn new_batch_id() -> Uuid {
    id_in_batch(Uuid::now_v7(), 0)
}

/// The last two bytes, which are random in a UUIDv7, hold the index of the item: at most [`MAX_BATCH`].
fn id_in_batch(batch_id: Uuid, index: usize) -> Uuid {
    const INDEX_BITS: u128 = 0xffff;
    Uuid::from_u128(batch_id.as_u128() & !INDEX_BITS | (index as u128 & INDEX_BITS))
}

impl TryFrom<pb::BatchUpdateTasksRequest> for BatchUpdateTasksInput {
    type Error = Error;

    fn try_from(request: pb::BatchUpdateTasksRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let is_common = !request.task_ids.is_empty();
        let given = if is_common { request.task_ids.len() } else { request.requests.len() };
        check_count(&mut v, if is_common { "task_ids" } else { "requests" }, given);
        let is_one = !is_common || request.requests.is_empty();
        v.require(is_one, "task_ids", "must be empty when requests are given");
        let common = request.values.is_some() || request.update_mask.is_some();
        v.require(is_common || !common, "values", "are for task_ids only");
        let requests = if is_common { common_update(&mut v, &request) } else { request.requests };
        let mut items = Vec::new();
        for (index, item) in requests.into_iter().take(MAX_BATCH).enumerate() {
            items.extend(read_item(&mut v, index, || UpdateTaskInput::try_from(item))?);
        }
        v.finish()?;
        check_each_once(items.iter().map(|item| item.id), "task.id")?;
        Ok(Self { key, items })
    }
}

/// The same change for each id.
fn common_update(v: &mut Violations, request: &pb::BatchUpdateTasksRequest) -> Vec<pb::UpdateTaskRequest> {
    let values = request.values.clone().unwrap_or_default();
    v.require(values.id.is_empty() && values.etag.is_empty(), "values", "must have neither id nor etag");
    let of = |id: &String| pb::UpdateTaskRequest {
        task: Some(pb::Task { id: id.clone(), ..values.clone() }),
        update_mask: request.update_mask.clone(),
    };
    request.task_ids.iter().take(MAX_BATCH).map(of).collect()
}

impl TryFrom<pb::BatchDeleteTasksRequest> for BatchDeleteTasksInput {
    type Error = Error;

    fn try_from(request: pb::BatchDeleteTasksRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        check_count(&mut v, "requests", request.requests.len());
        let mut items = Vec::new();
        for (index, item) in request.requests.into_iter().take(MAX_BATCH).enumerate() {
            let id = v.uuid(&format!("requests[{index}].task_id"), &item.task_id);
            items.push(DeleteTaskInput { id, etag: item.etag });
        }
        v.finish()?;
        check_each_once(items.iter().map(|item| item.id), "task_id")?;
        Ok(Self { key, items })
    }
}

fn check_count(v: &mut Violations, field: &str, count: usize) {
    v.require(count > 0, field, "must not be empty");
    v.at_most(field, count, MAX_BATCH);
}

/// Reads one item and adds its violations under its index.
fn read_item<T>(v: &mut Violations, index: usize, read: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    match read() {
        Ok(item) => Ok(Some(item)),
        Err(Error::Invalid(found)) => {
            for violation in found {
                v.add(&format!("requests[{index}].{}", violation.field), violation.description);
            }
            Ok(None)
        }
        Err(error) => Err(Error::of_item(index)(error)),
    }
}

fn check_each_once(ids: impl Iterator<Item = Uuid>, field: &str) -> Result<()> {
    let mut seen = HashSet::new();
    for (index, id) in ids.enumerate() {
        if !seen.insert(id) {
            return Err(Error::invalid(format!("requests[{index}].{field}"), "is in the batch already"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_item_ids_are_stable_under_retries() {
        let request = pb::BatchCreateTasksRequest {
            project_id: Uuid::now_v7().to_string(),
            requests: vec![pb::CreateTaskRequest { title: "x".to_owned(), ..Default::default() }; 3],
            ..Default::default()
        };
        let batch_id = new_batch_id();
        let named = || {
            let mut batch = BatchCreateTasksInput::read(request.clone(), Uuid::now_v7()).unwrap();
            batch.assign_item_ids(batch_id);
            batch.items.iter().map(|task| task.id).collect::<Vec<_>>()
        };
        assert_eq!(named(), named());
        assert_eq!(named()[0], batch_id);
        assert!(named().is_sorted() && named()[2] != batch_id);
    }
}
