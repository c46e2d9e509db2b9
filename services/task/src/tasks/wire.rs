//! Conversions of tasks from and to proto.

use crate::schema::{TaskPriority, TaskStatus};
use chrono::{TimeDelta, Utc};
use prost_types::Duration;
use proto::task::v1 as pb;
use shared::error::Result;
use shared::etag;
use shared::idempotency::RequestKey;
use shared::json::{JsonChange, to_duration, to_struct, to_timestamp};
use shared::validation::{MAX_TEXT_CHARS, Mask, Violations};
use uuid::Uuid;

use super::{MAX_MINUTES, MAX_TITLE_CHARS, NewTask, START_AFTER_DUE, Task, TaskChange, is_after};

/// The fields that an update mask may name.
const CHANGEABLE: &[&str] = &[
    "title",
    "description",
    "parent_task_id",
    "status",
    "priority",
    "assignee_id",
    "milestone_id",
    "start_at",
    "due_at",
    "estimated_duration",
    "actual_duration",
    "tags",
    "metadata",
];

/// A validated request to create a task.
#[derive(Debug)]
pub(crate) struct CreateTaskInput {
    pub(crate) key: Option<RequestKey>,
    pub(crate) task: NewTask,
}

impl CreateTaskInput {
    pub(crate) fn read(request: pb::CreateTaskRequest, creator_id: Uuid) -> Result<Self> {
        let mut outer = Violations::new();
        let key = RequestKey::of(&mut outer, &request.request_id, &request);
        let task = outer.message("task", request.task);
        let mut v = Violations::within("task.");
        let task = new_task(&mut v, task, creator_id);
        outer.absorb(v);
        outer.finish()?;
        Ok(Self { key, task })
    }
}

pub(crate) fn new_task(v: &mut Violations, task: pb::Task, creator_id: Uuid) -> NewTask {
    let new = NewTask {
        id: v.uuid_or_new("id", &task.id),
        project_id: v.uuid("project_id", &task.project_id),
        parent_task_id: optional_id(v, "parent_task_id", task.parent_task_id.as_deref()),
        title: title(v, task.title),
        description: v.optional_text("description", task.description, MAX_TEXT_CHARS),
        status: status(v, task.status),
        priority: priority(v, task.priority),
        assignee_id: optional_id(v, "assignee_id", task.assignee_id.as_deref()),
        creator_id,
        milestone_id: optional_id(v, "milestone_id", task.milestone_id.as_deref()),
        start_date: v.optional_time("start_at", task.start_at),
        due_date: v.optional_time("due_at", task.due_at),
        estimated_minutes: minutes(v, "estimated_duration", task.estimated_duration),
        actual_minutes: minutes(v, "actual_duration", task.actual_duration),
        tags: v.tags("tags", task.tags),
        metadata: v.json("metadata", task.metadata),
    };
    v.require(new.status != TaskStatus::Done, "status", "must not be done");
    v.require(new.due_date.is_none_or(|due| due > Utc::now()), "due_at", "must be in the future");
    v.require(!is_after(new.start_date, new.due_date), "start_at", START_AFTER_DUE);
    v.require(new.parent_task_id != Some(new.id), "parent_task_id", "must be another task");
    new
}

/// A validated update of a task.
#[derive(Clone, Debug)]
pub(crate) struct UpdateTaskInput {
    pub(crate) id: Uuid,
    pub(crate) etag: String,
    /// `None` if nothing changes.
    pub(crate) change: Option<TaskChange>,
    /// Depends on the present metadata, so it is applied after the task has been read.
    pub(crate) metadata: Option<JsonChange>,
}

impl TryFrom<pb::UpdateTaskRequest> for UpdateTaskInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::UpdateTaskRequest) -> Result<Self> {
        let mut v = Violations::within("task.");
        let task = v.message("task", request.task);
        let id = v.resource_uuid("id", &task.id);
        v.optional_uuid("project_id", &task.project_id);
        let etag = task.etag;
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let change = TaskChange {
            title: mask.pick("title", task.title, |value| title(&mut v, value)),
            description: mask.pick("description", task.description, |value| {
                v.optional_text("description", value, MAX_TEXT_CHARS)
            }),
            parent_task_id: mask.pick("parent_task_id", task.parent_task_id, |value| {
                optional_id(&mut v, "parent_task_id", value.as_deref())
            }),
            status: mask.pick("status", task.status, |value| status(&mut v, value)),
            priority: mask.pick("priority", task.priority, |value| priority(&mut v, value)),
            assignee_id: mask.pick("assignee_id", task.assignee_id, |value| {
                optional_id(&mut v, "assignee_id", value.as_deref())
            }),
            milestone_id: mask.pick("milestone_id", task.milestone_id, |value| {
                optional_id(&mut v, "milestone_id", value.as_deref())
            }),
            start_date: mask.pick("start_at", task.start_at, |value| v.optional_time("start_at", value)),
            due_date: mask.pick("due_at", task.due_at, |value| v.optional_time("due_at", value)),
            estimated_minutes: mask.pick("estimated_duration", task.estimated_duration, |value| {
                minutes(&mut v, "estimated_duration", value)
            }),
            actual_minutes: mask.pick("actual_duration", task.actual_duration, |value| {
                minutes(&mut v, "actual_duration", value)
            }),
            tags: mask.pick("tags", task.tags, |value| v.tags("tags", value)),
            metadata: None,
        };
        let metadata = mask.pick_json(&mut v, "metadata", task.metadata, request.metadata_patch);
        v.finish()?;
        Ok(Self { id, etag, change: mask.has_changes().then_some(change), metadata })
    }
}

impl UpdateTaskInput {
    /// The change of this task, with the metadata that it gets.
    pub(crate) fn change_of(&self, task: &Task) -> Result<Option<TaskChange>> {
        let Some(change) = &self.change else { return Ok(None) };
        let present = || task.metadata.clone();
        let metadata = self.metadata.clone().map(|change| change.apply_within_limits("metadata", present()));
        Ok(Some(TaskChange { metadata: metadata.transpose()?, ..change.clone() }))
    }
}

pub(crate) fn required_id(field: &str, value: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid(field, value);
    v.finish()?;
    Ok(id)
}

/// An empty id counts as missing.
pub(crate) fn optional_id(v: &mut Violations, field: &str, value: Option<&str>) -> Option<Uuid> {
    v.optional_uuid(field, value.unwrap_or_default())
}

pub(crate) fn title(v: &mut Violations, value: String) -> String {
    v.line("title", value, 1, MAX_TITLE_CHARS)
}

/// An amount of work in whole minutes, rounded up.
pub(crate) fn minutes(v: &mut Violations, field: &str, value: Option<Duration>) -> Option<i32> {
    let bounds = TimeDelta::minutes(1)..=TimeDelta::minutes(MAX_MINUTES.into());
    let duration = v.optional_duration(field, value, bounds)?;
    Some(whole_minutes(duration))
}

/// Rounded up; what exceeds the limit of a task counts as the limit.
pub(crate) fn whole_minutes(duration: TimeDelta) -> i32 {
    let is_whole = duration == TimeDelta::minutes(duration.num_minutes());
    let minutes = duration.num_minutes() + i64::from(!is_whole && duration > TimeDelta::zero());
    i32::try_from(minutes).unwrap_or(i32::MAX).min(MAX_MINUTES)
}

/// Minutes of work as a duration.
pub(crate) fn work(minutes: i64) -> Duration {
    to_duration(minutes.saturating_mul(60))
}

/// The default is `medium`.
pub(crate) fn priority(v: &mut Violations, value: i32) -> TaskPriority {
    v.optional_enum("priority", value).unwrap_or(TaskPriority::Medium)
}

/// The default is `pending`.
pub(crate) fn status(v: &mut Violations, value: i32) -> TaskStatus {
    v.optional_enum("status", value).unwrap_or(TaskStatus::Pending)
}

impl From<Task> for pb::Task {
    fn from(task: Task) -> Self {
        Self {
            key: task.key(),
            id: task.id.to_string(),
            project_id: task.project_id.to_string(),
            parent_task_id: task.parent_task_id.map(|id| id.to_string()),
            title: task.title,
            description: task.description,
            status: task.status.into(),
            priority: task.priority.into(),
            assignee_id: task.assignee_id.map(|id| id.to_string()),
            creator_id: task.creator_id.to_string(),
            milestone_id: task.milestone_id.map(|id| id.to_string()),
            start_at: task.start_date.map(to_timestamp),
            due_at: task.due_date.map(to_timestamp),
            estimated_duration: task.estimated_minutes.map(|minutes| work(minutes.into())),
            actual_duration: task.actual_minutes.map(|minutes| work(minutes.into())),
            tags: task.tags,
            metadata: Some(to_struct(&task.metadata)),
            created_at: Some(to_timestamp(task.created_at)),
            updated_at: Some(to_timestamp(task.updated_at)),
            completed_at: task.completed_at.map(to_timestamp),
            etag: etag::of(task.version),
            number: task.number,
            rank: task.rank,
            manually_blocked: task.manually_blocked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::FieldMask;

    fn update(paths: &[&str], task: pb::Task) -> Result<UpdateTaskInput> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(FieldMask { paths });
        pb::UpdateTaskRequest { task: Some(task), update_mask, metadata_patch: None }.try_into()
    }

    #[test]
    fn only_masked_fields_change() {
        let task =
            pb::Task { id: Uuid::now_v7().to_string(), title: "other".to_owned(), ..Default::default() };
        let change = update(&["description", "status"], task).unwrap().change.unwrap();
        assert_eq!(change.description, Some(None));
        assert_eq!(change.status, Some(TaskStatus::Pending));
        assert!(change.title.is_none() && change.actual_minutes.is_none());
    }

    #[test]
    fn an_empty_mask_changes_the_populated_fields() {
        let task = pb::Task { id: Uuid::now_v7().to_string(), ..Default::default() };
        assert!(update(&[], task.clone()).unwrap().change.is_none());
        let task = pb::Task { title: "new".to_owned(), ..task };
        assert_eq!(update(&[], task).unwrap().change.unwrap().title.as_deref(), Some("new"));
    }

    #[test]
    fn durations_are_rounded_up_to_minutes() {
        for (seconds, minutes) in [(60, 1), (61, 2), (120, 2), (3_600_000_000, MAX_MINUTES)] {
            assert_eq!(whole_minutes(TimeDelta::seconds(seconds)), minutes);
        }
        assert_eq!(whole_minutes(TimeDelta::seconds(60) + TimeDelta::nanoseconds(1)), 2);
    }
}
