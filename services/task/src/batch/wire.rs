//! Batches from proto: each item is validated like its single call, and all violations are reported.

use std::collections::HashSet;

use proto::task::v1 as pb;
use proto::task::v1::batch_update_tasks_request::Updates;
use shared::error::{Error, Result};
use shared::etag;
use shared::idempotency::RequestKey;
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use crate::tasks::wire::{UpdateTaskInput, new_task};
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
        check_count(&mut v, "tasks", request.tasks.len());
        let (mut items, mut generated) = (Vec::new(), Vec::new());
        for (index, mut task) in request.tasks.into_iter().take(MAX_BATCH).enumerate() {
            let mut item = Violations::within(&format!("tasks[{index}]."));
            let fits = task.project_id.is_empty() || task.project_id == request.project_id;
            item.require(fits, "project_id", "must be empty or that of the batch");
            task.project_id = project_id.to_string();
            if task.id.is_empty() {
                generated.push(index);
            }
            items.push(new_task(&mut item, task, creator_id));
            v.absorb(item);
        }
        v.finish()?;
        check_each_once(items.iter().map(|task| task.id), |index| format!("tasks[{index}].id"))?;
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
        let items = match request.updates {
            Some(Updates::Individual(updates)) => individual_updates(&mut v, updates)?,
            Some(Updates::Common(update)) => common_updates(&mut v, update)?,
            None => {
                v.add("updates", "must be given: individual or common");
                Vec::new()
            }
        };
        v.finish()?;
        Ok(Self { key, items })
    }
}

fn individual_updates(
    v: &mut Violations,
    updates: pb::IndividualTaskUpdates,
) -> Result<Vec<UpdateTaskInput>> {
    check_count(v, "individual.requests", updates.requests.len());
    let mut items = Vec::new();
    for (index, request) in updates.requests.into_iter().take(MAX_BATCH).enumerate() {
        items.extend(collect(v, &format!("individual.requests[{index}]."), request.try_into())?);
    }
    let field = |index| format!("individual.requests[{index}].task.id");
    report_repeated(v, items.iter().map(|item: &UpdateTaskInput| item.id), field);
    Ok(items)
}

/// The same change for each id.
fn common_updates(v: &mut Violations, update: pb::CommonTaskUpdate) -> Result<Vec<UpdateTaskInput>> {
    let pb::CommonTaskUpdate { task_ids, task, update_mask, metadata_patch } = update;
    let ids = read_ids(v, "common.task_ids", &task_ids);
    v.require(task.is_some(), "common.task", "must be given");
    let task = task.unwrap_or_default();
    v.require(task.id.is_empty(), "common.task.id", "must be empty");
    v.require(task.etag.is_empty(), "common.task.etag", "must be empty");
    let task = Some(pb::Task { id: Uuid::max().to_string(), etag: String::new(), ..task });
    let request = pb::UpdateTaskRequest { task, update_mask, metadata_patch };
    let Some(input) = collect(v, "common.", UpdateTaskInput::try_from(request))? else {
        return Ok(Vec::new());
    };
    Ok(ids.into_iter().map(|id| UpdateTaskInput { id, ..input.clone() }).collect())
}

/// The ids of a request, each of which may be given once.
pub(super) fn requested_ids(task_ids: &[String]) -> Result<Vec<Uuid>> {
    let mut v = Violations::new();
    let ids = read_ids(&mut v, "task_ids", task_ids);
    v.finish()?;
    Ok(ids)
}

fn read_ids(v: &mut Violations, field: &str, values: &[String]) -> Vec<Uuid> {
    v.require(!values.is_empty(), field, "must not be empty");
    let ids = v.uuids(field, values, MAX_BATCH);
    report_repeated(v, ids.iter().copied(), |_| field.to_owned());
    ids
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
        check_each_once(items.iter().map(|item| item.id), |index| format!("requests[{index}].task_id"))?;
        Ok(Self { key, items })
    }
}

fn check_count(v: &mut Violations, field: &str, count: usize) {
    v.require(count > 0, field, "must not be empty");
    v.at_most(field, count, MAX_BATCH);
}

/// The input, or nothing after adding its violations under this prefix.
fn collect<T>(v: &mut Violations, prefix: &str, input: Result<T>) -> Result<Option<T>> {
    match input {
        Ok(input) => Ok(Some(input)),
        Err(Error::Invalid(found)) => {
            for violation in found {
                v.add(&format!("{prefix}{}", violation.field), violation.description);
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn report_repeated(v: &mut Violations, ids: impl Iterator<Item = Uuid>, field: impl Fn(usize) -> String) {
    let mut seen = HashSet::new();
    for (index, id) in ids.enumerate() {
        if !id.is_nil() && !seen.insert(id) {
            v.add(&field(index), format!("{id} is in the batch already"));
        }
    }
}

fn check_each_once(ids: impl Iterator<Item = Uuid>, field: impl Fn(usize) -> String) -> Result<()> {
    let mut v = Violations::new();
    report_repeated(&mut v, ids, field);
    v.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_item_ids_are_stable_under_retries() {
        let request = pb::BatchCreateTasksRequest {
            project_id: Uuid::now_v7().to_string(),
            tasks: vec![pb::Task { title: "x".to_owned(), ..Default::default() }; 3],
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
