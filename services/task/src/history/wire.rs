//! Requests for points in time from proto.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::task::v1 as pb;
use shared::error::Result;
use shared::validation::{TimeRange, Violations};
use uuid::Uuid;

#[derive(Debug)]
pub(super) struct ListTaskHistoryInput {
    pub(super) task_id: Uuid,
    pub(super) changed_at: TimeRange,
    pub(super) page_size: i32,
    pub(super) page_token: String,
}

impl TryFrom<pb::ListTaskHistoryRequest> for ListTaskHistoryInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::ListTaskHistoryRequest) -> Result<Self> {
        let mut v = Violations::new();
        let task_id = v.uuid("task_id", &request.task_id);
        let changed_at = v.time_range("changed_at", request.changed_at);
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { task_id, changed_at, page_size: request.page_size, page_token: request.page_token })
    }
}

#[derive(Debug)]
pub(super) struct PointInTimeInput {
    /// Of the task or the project.
    pub(super) id: Uuid,
    pub(super) at: DateTime<Utc>,
}

impl TryFrom<&pb::GetTaskAtRequest> for PointInTimeInput {
    type Error = shared::error::Error;

    fn try_from(request: &pb::GetTaskAtRequest) -> Result<Self> {
        read(Violations::new(), ("task_id", &request.task_id), request.at_time)
    }
}

impl TryFrom<&pb::ListTasksAtRequest> for PointInTimeInput {
    type Error = shared::error::Error;

    fn try_from(request: &pb::ListTasksAtRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        read(v, ("project_id", &request.project_id), request.at_time)
    }
}

fn read(
    mut v: Violations,
    (field, id): (&str, &str),
    at_time: Option<Timestamp>,
) -> Result<PointInTimeInput> {
    let id = v.uuid(field, id);
    let at = v.past_time("at_time", at_time);
    v.finish()?;
    Ok(PointInTimeInput { id, at })
}
