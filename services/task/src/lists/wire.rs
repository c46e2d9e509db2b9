//! Filters and orders from proto. Conditions that no task can meet together are violations.

use crate::schema::TaskStatus;
use proto::common::DurationRange;
use proto::task::v1 as pb;
use proto::task::v1::task_filter::Position;
use shared::error::Result;
use shared::validation::{ProtoEnum, TimeRange, Violations};
use uuid::Uuid;

use super::{MAX_FILTER_IDS, MAX_TEXT_CHARS, OPEN_STATUSES, SortKey, TaskFilter, TaskOrder};
use crate::tasks::wire::whole_minutes;

#[derive(Debug)]
pub(super) struct ListTasksInput {
    pub(super) filter: TaskFilter,
    pub(super) order: TaskOrder,
    pub(super) page_size: i32,
    pub(super) page_token: String,
}

impl TryFrom<pb::ListTasksRequest> for ListTasksInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::ListTasksRequest) -> Result<Self> {
        let mut v = Violations::new();
        let filter = filter(&mut v, request.filter.unwrap_or_default());
        let order = v.optional_enum("order", request.order).unwrap_or(TaskOrder::NEWEST);
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { filter, order, page_size: request.page_size, page_token: request.page_token })
    }
}

/// Validates the field `filter`.
pub(crate) fn filter(outer: &mut Violations, filter: pb::TaskFilter) -> TaskFilter {
    let mut v = Violations::within("filter.");
    check_consistency(&mut v, &filter);
    let TimeRange { start: start_from, end: start_before } = v.time_range("start_at", filter.start_at);
    let TimeRange { start: due_from, end: due_before } = v.time_range("due_at", filter.due_at);
    let TimeRange { start: created_from, end: created_before } =
        v.time_range("created_at", filter.created_at);
    let TimeRange { start: updated_from, end: updated_before } =
        v.time_range("updated_at", filter.updated_at);
    let TimeRange { start: completed_from, end: completed_before } =
        v.time_range("completed_at", filter.completed_at);
    let (estimated_minutes_from, estimated_minutes_to) =
        minutes_range(&mut v, "estimated_duration", filter.estimated_duration);
    let (actual_minutes_from, actual_minutes_to) =
        minutes_range(&mut v, "actual_duration", filter.actual_duration);
    let statuses = some(v.enums("statuses", &filter.statuses));
    let read = TaskFilter {
        project_ids: ids(&mut v, "project_ids", &filter.project_ids),
        statuses: match (filter.ready, filter.blocked) {
            (true, _) => Some(vec![TaskStatus::Pending]),
            (false, true) => Some(vec![TaskStatus::Blocked]),
            (false, false) => statuses,
        },
        priorities: some(v.enums("priorities", &filter.priorities)),
        assignee_ids: ids(&mut v, "assignee_ids", &filter.assignee_ids),
        unassigned: filter.unassigned,
        creator_ids: ids(&mut v, "creator_ids", &filter.creator_ids),
        tags: some(v.tags("all_tags", filter.all_tags)),
        any_tags: some(v.tags("any_tags", filter.any_tags)),
        no_tags: some(v.tags("no_tags", filter.no_tags)),
        parent_task_id: match &filter.position {
            Some(Position::ParentTaskId(id)) => Some(v.uuid("parent_task_id", id)),
            _ => None,
        },
        is_root: matches!(filter.position, Some(Position::Root(_))),
        ancestor_task_id: match &filter.position {
            Some(Position::AncestorTaskId(id)) => Some(v.uuid("ancestor_task_id", id)),
            _ => None,
        },
        milestone_ids: ids(&mut v, "milestone_ids", &filter.milestone_ids),
        start_from,
        start_before,
        due_from,
        due_before,
        created_from,
        created_before,
        updated_from,
        updated_before,
        completed_from,
        completed_before,
        estimated_minutes_from,
        estimated_minutes_to,
        actual_minutes_from,
        actual_minutes_to,
        is_overdue: filter.overdue,
        metadata: filter
            .metadata
            .filter(|object| !object.fields.is_empty())
            .map(|object| v.json("metadata", Some(object))),
        search_text: Some(filter.text)
            .filter(|text| !text.is_empty())
            .map(|text| v.line("text", text, 1, MAX_TEXT_CHARS)),
    };
    outer.absorb(v);
    read
}

/// Rejects conditions that no task can meet together.
fn check_consistency(v: &mut Violations, filter: &pb::TaskFilter) {
    let statuses: Vec<TaskStatus> =
        filter.statuses.iter().filter_map(|status| TaskStatus::from_wire(*status).flatten()).collect();
    let may_be = |status: TaskStatus| statuses.is_empty() || statuses.contains(&status);
    let may_be_open = OPEN_STATUSES.into_iter().any(may_be);
    v.require(!filter.ready || may_be(TaskStatus::Pending), "ready", "is none of the statuses");
    v.require(!filter.blocked || may_be(TaskStatus::Blocked), "blocked", "is none of the statuses");
    v.require(!(filter.ready && filter.blocked), "blocked", "excludes ready");
    v.require(!filter.overdue || may_be_open, "overdue", "is none of the statuses: they are closed");
    let is_done = !filter.ready && !filter.blocked && !filter.overdue && may_be(TaskStatus::Done);
    v.require(
        filter.completed_at.is_none() || is_done,
        "completed_at",
        "excludes the statuses: only what is done has it",
    );
    let excluded = |tag: &String| filter.no_tags.contains(tag);
    v.require(!filter.all_tags.iter().any(excluded), "no_tags", "has a tag that all_tags asks for");
    let is_excluded = !filter.any_tags.is_empty() && filter.any_tags.iter().all(excluded);
    v.require(!is_excluded, "no_tags", "has all tags of any_tags");
    v.require(filter.position != Some(Position::Root(false)), "root", "must be true if given");
}

/// The whole minutes in a range of durations: tasks are measured in minutes.
fn minutes_range(
    v: &mut Violations,
    field: &str,
    value: Option<DurationRange>,
) -> (Option<i32>, Option<i32>) {
    let range = v.duration_range(field, value);
    let max = range.max.map(|max| i32::try_from(max.num_minutes()).unwrap_or(i32::MAX));
    (range.min.map(whole_minutes), max)
}

pub(crate) fn ids(v: &mut Violations, field: &str, given: &[String]) -> Option<Vec<Uuid>> {
    let mut ids = v.uuids(field, given, MAX_FILTER_IDS);
    ids.sort_unstable();
    ids.dedup();
    some(ids)
}

fn some<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

impl ProtoEnum for TaskOrder {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        use SortKey::{Created, Due, Number, Priority, Rank, Start, Title, Updated};
        use pb::TaskOrder as Wire;
        let (key, is_descending) = match Wire::try_from(value).ok()? {
            Wire::Unspecified => return Some(None),
            Wire::CreatedDesc => (Created, true),
            Wire::CreatedAsc => (Created, false),
            Wire::UpdatedDesc => (Updated, true),
            Wire::UpdatedAsc => (Updated, false),
            Wire::RankAsc => (Rank, false),
            Wire::RankDesc => (Rank, true),
            Wire::PriorityDesc => (Priority, true),
            Wire::PriorityAsc => (Priority, false),
            Wire::StartAsc => (Start, false),
            Wire::StartDesc => (Start, true),
            Wire::DueAsc => (Due, false),
            Wire::DueDesc => (Due, true),
            Wire::TitleAsc => (Title, false),
            Wire::TitleDesc => (Title, true),
            Wire::NumberAsc => (Number, false),
            Wire::NumberDesc => (Number, true),
        };
        Some(Some(Self { key, is_descending }))
    }
}
