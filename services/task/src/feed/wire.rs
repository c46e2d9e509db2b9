//! Conversions of task events from and to proto.

use proto::task::v1 as pb;
use proto::task::v1::task_event::Subject;
use shared::change_log::feed::WatchBatch;
use shared::change_log::{Operation, Record};
use shared::error::Result;
use shared::json::to_timestamp;
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::Changed;
use super::filter::EventFilter;
use crate::tasks::Task;

#[derive(Debug)]
pub(super) struct WatchTasksInput {
    pub(super) project_id: Uuid,
    pub(super) filter: EventFilter,
    pub(super) resume_token: String,
}

impl TryFrom<pb::WatchTasksRequest> for WatchTasksInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::WatchTasksRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.at_most("task_ids", request.task_ids.len(), MAX_BATCH);
        let project_id = v.uuid("project_id", &request.project_id);
        let filter = EventFilter {
            operations: operations(&mut v, &request.kinds),
            task_ids: request.task_ids.iter().take(MAX_BATCH).map(|id| v.uuid("task_ids", id)).collect(),
            statuses: v.enums("statuses", &request.statuses),
            assignee_id: v.optional_uuid("assignee_id", &request.assignee_id),
            exclude_dependencies: request.exclude_dependencies,
        };
        v.finish()?;
        Ok(Self { project_id, filter, resume_token: request.resume_token })
    }
}

fn operations(v: &mut Violations, kinds: &[i32]) -> Vec<Operation> {
    let known = kinds.iter().filter_map(|kind| match pb::ChangeKind::try_from(*kind) {
        Ok(pb::ChangeKind::Created) => Some(Operation::Insert),
        Ok(pb::ChangeKind::Updated) => Some(Operation::Update),
        Ok(pb::ChangeKind::Deleted) => Some(Operation::Delete),
        Ok(pb::ChangeKind::Unspecified) | Err(_) => {
            v.add("kinds", format!("{kind} is not a kind of change"));
            None
        }
    });
    known.collect()
}

pub(super) fn message(batch: WatchBatch<pb::TaskEvent>) -> pb::WatchTasksResponse {
    pb::WatchTasksResponse { events: batch.events, resume_token: batch.resume_token }
}

pub(crate) fn event(record: &Record, changed: Changed) -> pb::TaskEvent {
    let kind = match record.operation {
        Operation::Insert => pb::ChangeKind::Created,
        Operation::Update => pb::ChangeKind::Updated,
        Operation::Delete => pb::ChangeKind::Deleted,
    };
    pb::TaskEvent {
        kind: kind.into(),
        sequence: record.cursor.position,
        changed_at: Some(to_timestamp(record.changed_at)),
        actor_id: record.actor_id.map(|id| id.to_string()).unwrap_or_default(),
        trace_id: record.trace_id.clone().unwrap_or_default(),
        subject: Some(subject(record, changed)),
    }
}

fn subject(record: &Record, changed: Changed) -> Subject {
    match changed {
        Changed::Task { before, after } => Subject::Task(pb::TaskChange {
            task_id: record.entity_id.to_string(),
            before: before.map(|task| past_task(*task)),
            after: after.map(|task| (*task).into()),
            changed_fields: record.changed_columns().map(str::to_owned).collect(),
        }),
        Changed::Dependency { before, after, .. } => Subject::Dependency(pb::TaskDependencyChange {
            dependency_id: record.entity_id.to_string(),
            before: before.map(Into::into),
            after: after.map(Into::into),
        }),
    }
}

/// A task of the past has no etag: it cannot be changed.
pub(crate) fn past_task(task: Task) -> pb::Task {
    pb::Task { etag: String::new(), ..task.into() }
}
