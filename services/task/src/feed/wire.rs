//! Conversions of task events from and to proto.

use proto::common::ResourceType;
use proto::task::v1 as pb;
use proto::task::v1::task_event::Resource;
use shared::change_log::feed::WatchBatch;
use shared::change_log::{Record, resource_types};
use shared::error::Result;
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::ChangedResource;
use super::filter::EventFilter;
use crate::lists::MAX_FILTER_IDS;
use crate::milestones::Milestone;
use crate::tasks::Task;
use crate::time_entries::TimeEntry;

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
        let project_id = v.uuid("project_id", &request.project_id);
        let filter = event_filter(&mut v, &request.filter.unwrap_or_default());
        v.finish()?;
        Ok(Self { project_id, filter, resume_token: request.resume_token })
    }
}

fn event_filter(outer: &mut Violations, filter: &pb::TaskEventFilter) -> EventFilter {
    let mut v = Violations::within("filter.");
    let in_feed =
        [ResourceType::Task, ResourceType::TaskDependency, ResourceType::TimeEntry, ResourceType::Milestone];
    let read = EventFilter {
        operations: v.enums("kinds", &filter.kinds),
        resource_types: resource_types(&mut v, "resource_types", &filter.resource_types, &in_feed),
        actor_id: v.optional_uuid("actor_id", &filter.actor_id),
        task_ids: v.uuids("task_ids", &filter.task_ids, MAX_BATCH),
        statuses: v.enums("statuses", &filter.statuses),
        assignee_ids: v.uuids("assignee_ids", &filter.assignee_ids, MAX_FILTER_IDS),
    };
    outer.absorb(v);
    read
}

pub(super) fn message(batch: WatchBatch<pb::TaskEvent>) -> pb::WatchTasksResponse {
    pb::WatchTasksResponse { events: batch.events, resume_token: batch.resume_token }
}

pub(crate) fn event(record: &Record, project_id: Uuid, changed: ChangedResource) -> pb::TaskEvent {
    let fields = record.changed_columns().filter_map(field_of).map(str::to_owned).collect();
    let change = record.to_change(changed.resource_type(), project_id, fields);
    pb::TaskEvent { change: Some(change), resource: Some(resource(changed)) }
}

/// The API's name of a column; `None` for a column that another one stands for.
fn field_of(column: &str) -> Option<&str> {
    Some(match column {
        "start_date" => "start_at",
        "due_date" => "due_at",
        "estimated_minutes" => "estimated_duration",
        "actual_minutes" => "actual_duration",
        "estimated_hours" | "actual_hours" | "tracked_minutes" => return None,
        same => same,
    })
}

fn resource(changed: ChangedResource) -> Resource {
    match changed {
        ChangedResource::Task { before, after } => Resource::Task(pb::TaskChange {
            before: before.map(|task| past_task(*task)),
            after: after.map(|task| (*task).into()),
        }),
        ChangedResource::Dependency { before, after, .. } => {
            Resource::TaskDependency(pb::TaskDependencyChange {
                before: before.map(Into::into),
                after: after.map(Into::into),
            })
        }
        ChangedResource::TimeEntry { before, after } => Resource::TimeEntry(pb::TimeEntryChange {
            before: before.map(|entry| past_time_entry(*entry)),
            after: after.map(|entry| (*entry).into()),
        }),
        ChangedResource::Milestone { before, after } => Resource::Milestone(pb::MilestoneChange {
            before: before.map(|milestone| past_milestone(*milestone)),
            after: after.map(|milestone| (*milestone).into()),
        }),
    }
}

/// A time entry of the past has no etag either.
fn past_time_entry(entry: TimeEntry) -> pb::TimeEntry {
    pb::TimeEntry { etag: String::new(), ..entry.into() }
}

fn past_milestone(milestone: Milestone) -> pb::Milestone {
    pb::Milestone { etag: String::new(), ..milestone.into() }
}

/// A task of the past has no etag: it cannot be changed.
pub(crate) fn past_task(task: Task) -> pb::Task {
    pb::Task { etag: String::new(), ..task.into() }
}
