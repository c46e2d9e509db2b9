//! Conversions of tasks from and to proto.

use crate::schema::{TaskPriority, TaskStatus};
use chrono::Utc;
use proto::task::v1 as pb;
use shared::error::Result;
use shared::etag;
use shared::idempotency::RequestKey;
use shared::json::{to_struct, to_timestamp};
use shared::validation::{MAX_TEXT_CHARS, Mask, Violations};
use uuid::Uuid;

use super::{MAX_HOURS, MAX_TITLE_CHARS, NewTask, Task, TaskChange};

/// The fields that an update mask may name.
const MUTABLE: &[&str] = &[
    "title",
    "description",
    "parent_task_id",
    "status",
    "priority",
    "assignee_id",
    "due_date",
    "estimated_hours",
    "actual_hours",
    "tags",
    "metadata",
];

#[derive(Debug)]
pub(crate) struct CreateTaskInput {
    pub(crate) key: Option<RequestKey>,
    pub(crate) task: NewTask,
}

impl CreateTaskInput {
    pub(crate) fn read(request: pb::CreateTaskRequest, creator_id: Uuid) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let task = NewTask {
            id: v.uuid_or_new("task_id", &request.task_id),
            project_id: v.uuid("project_id", &request.project_id),
            parent_task_id: optional_id(&mut v, "parent_task_id", request.parent_task_id.as_deref()),
            title: title(&mut v, request.title),
            description: v.optional_text("description", request.description, MAX_TEXT_CHARS),
            status: open_status(&mut v, request.status),
            priority: priority(&mut v, request.priority),
            assignee_id: optional_id(&mut v, "assignee_id", request.assignee_id.as_deref()),
            creator_id,
            due_date: v.optional_time("due_date", request.due_date),
            estimated_hours: hours(&mut v, "estimated_hours", request.estimated_hours),
            actual_hours: hours(&mut v, "actual_hours", request.actual_hours),
            tags: v.tags("tags", request.tags),
            metadata: v.json("metadata", request.metadata),
        };
        v.require(task.due_date.is_none_or(|due| due > Utc::now()), "due_date", "must be in the future");
        v.require(task.parent_task_id != Some(task.id), "parent_task_id", "must be another task");
        v.finish()?;
        Ok(Self { key, task })
    }
}

/// A validated update; `change` is `None` if it changes nothing.
#[derive(Debug)]
pub(crate) struct UpdateTaskInput {
    pub(crate) id: Uuid,
    pub(crate) etag: String,
    pub(crate) change: Option<TaskChange>,
}

impl TryFrom<pb::UpdateTaskRequest> for UpdateTaskInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::UpdateTaskRequest) -> Result<Self> {
        let mut v = Violations::within("task.");
        let task = request.task.unwrap_or_default();
        let id = v.uuid("id", &task.id);
        let etag = task.etag.clone();
        let mask = Mask::of(&mut v, request.update_mask, MUTABLE);
        let change = TaskChange {
            title: mask.pick("title", || title(&mut v, task.title)),
            description: mask
                .pick("description", || v.optional_text("description", task.description, MAX_TEXT_CHARS)),
            parent_task_id: mask.pick("parent_task_id", || {
                optional_id(&mut v, "parent_task_id", task.parent_task_id.as_deref())
            }),
            status: mask.pick("status", || open_status(&mut v, task.status)),
            priority: mask.pick("priority", || priority(&mut v, task.priority)),
            assignee_id: mask
                .pick("assignee_id", || optional_id(&mut v, "assignee_id", task.assignee_id.as_deref())),
            due_date: mask.pick("due_date", || v.optional_time("due_date", task.due_date)),
            estimated_hours: mask
                .pick("estimated_hours", || hours(&mut v, "estimated_hours", task.estimated_hours)),
            actual_hours: mask.pick("actual_hours", || hours(&mut v, "actual_hours", task.actual_hours)),
            tags: mask.pick("tags", || v.tags("tags", task.tags)),
            metadata: mask.pick("metadata", || v.json("metadata", task.metadata)),
        };
        v.finish()?;
        Ok(Self { id, etag, change: (!mask.is_empty()).then_some(change) })
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

pub(crate) fn hours(v: &mut Violations, field: &str, value: Option<i32>) -> Option<i32> {
    v.optional_number(field, value, 1, MAX_HOURS)
}

/// The default is `medium`.
pub(crate) fn priority(v: &mut Violations, value: i32) -> TaskPriority {
    v.optional_enum("priority", value).unwrap_or(TaskPriority::Medium)
}

/// The default is `pending`.
pub(crate) fn status(v: &mut Violations, value: i32) -> TaskStatus {
    v.optional_enum("status", value).unwrap_or(TaskStatus::Pending)
}

fn open_status(v: &mut Violations, value: i32) -> TaskStatus {
    let status = status(v, value);
    v.require(status != TaskStatus::Done, "status", "done is reached by CompleteTask only");
    status
}

impl From<Task> for pb::Task {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.to_string(),
            project_id: task.project_id.to_string(),
            parent_task_id: task.parent_task_id.map(|id| id.to_string()),
            title: task.title,
            description: task.description,
            status: task.status.into(),
            priority: task.priority.into(),
            assignee_id: task.assignee_id.map(|id| id.to_string()),
            creator_id: task.creator_id.to_string(),
            due_date: task.due_date.map(to_timestamp),
            estimated_hours: task.estimated_hours,
            actual_hours: task.actual_hours,
            tags: task.tags,
            metadata: Some(to_struct(&task.metadata)),
            created_at: Some(to_timestamp(task.created_at)),
            updated_at: Some(to_timestamp(task.updated_at)),
            completed_at: task.completed_at.map(to_timestamp),
            etag: etag::of(task.version),
            key: task.key,
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
        pb::UpdateTaskRequest { task: Some(task), update_mask: Some(FieldMask { paths }) }.try_into()
    }

    #[test]
    fn only_masked_fields_are_read() {
        let task = pb::Task { id: Uuid::now_v7().to_string(), actual_hours: Some(-1), ..Default::default() };
        let change = update(&["description", "status"], task).unwrap().change.unwrap();
        assert_eq!(change.description, Some(None));
        assert_eq!(change.status, Some(TaskStatus::Pending));
        assert!(change.title.is_none() && change.actual_hours.is_none());
    }

    #[test]
    fn an_empty_mask_changes_nothing() {
        let task = pb::Task { id: Uuid::now_v7().to_string(), ..Default::default() };
        assert!(update(&[], task).unwrap().change.is_none());
    }
}
