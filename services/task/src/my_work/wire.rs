//! Conversions of the caller's work from and to proto.

use chrono::{DateTime, Utc};
use proto::task::v1 as pb;
use shared::error::Result;
use shared::validation::Violations;
use uuid::Uuid;

use super::{DEFAULT_GROUP, GroupedTask, MAX_GROUP};
use crate::lists::wire::ids;
use crate::lists::{OPEN_STATUSES, TaskFilter};

#[derive(Clone, Debug)]
pub(super) struct GetMyWorkInput {
    pub(super) filter: TaskFilter,
    pub(super) today_end_time: Option<DateTime<Utc>>,
    pub(super) soon_end_time: Option<DateTime<Utc>>,
    pub(super) group_size: i32,
}

impl GetMyWorkInput {
    pub(super) fn read(request: &pb::GetMyWorkRequest, user_id: Uuid) -> Result<Self> {
        let mut v = Violations::new();
        let filter = TaskFilter {
            project_ids: ids(&mut v, "project_ids", &request.project_ids),
            assignee_ids: Some(vec![user_id]),
            statuses: Some(OPEN_STATUSES.to_vec()),
            ..TaskFilter::default()
        };
        let today_end_time = v.optional_time("today_end_time", request.today_end_time);
        let soon_end_time = v.optional_time("soon_end_time", request.soon_end_time);
        let now = Utc::now();
        v.require(today_end_time.is_none_or(|end| end > now), "today_end_time", "must be later than now");
        let from = today_end_time.unwrap_or(now);
        v.require(
            soon_end_time.is_none_or(|end| end > from),
            "soon_end_time",
            "must be later than today_end_time",
        );
        v.require(request.group_size >= 0, "group_size", "must not be negative");
        v.finish()?;
        let group_size = if request.group_size == 0 { DEFAULT_GROUP } else { request.group_size };
        Ok(Self { filter, today_end_time, soon_end_time, group_size: group_size.min(MAX_GROUP) })
    }
}

/// Collects tasks into their groups. The tasks of a group keep their order.
pub(super) fn to_wire(tasks: Vec<GroupedTask>) -> pb::MyWork {
    let mut work = pb::MyWork {
        overdue: Some(pb::WorkGroup::default()),
        due_today: Some(pb::WorkGroup::default()),
        due_soon: Some(pb::WorkGroup::default()),
        in_progress: Some(pb::WorkGroup::default()),
        ready: Some(pb::WorkGroup::default()),
        blocked: Some(pb::WorkGroup::default()),
    };
    for GroupedTask { task, kind, total } in tasks {
        let group = match kind.as_str() {
            "overdue" => &mut work.overdue,
            "due_today" => &mut work.due_today,
            "due_soon" => &mut work.due_soon,
            "in_progress" => &mut work.in_progress,
            "ready" => &mut work.ready,
            _ => &mut work.blocked,
        };
        let group = group.get_or_insert_default();
        group.total_count = total;
        group.tasks.push(task.into());
    }
    work
}
