//! Filters and orders from proto. Conditions that no task can meet together are violations.

use crate::schema::TaskStatus;
use chrono::{DateTime, Utc};
use proto::task::v1 as pb;
use proto::task::v1::task_filter::Position;
use shared::error::Result;
use shared::validation::{ProtoEnum, Violations};
use uuid::Uuid;

use super::{MAX_FILTER_IDS, MAX_TEXT_CHARS, OPEN_STATUSES, SortKey, TaskFilter, TaskOrder};
use crate::tasks::wire::hours;

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
        let short = TaskFilter {
            project_ids: v.optional_uuid("project_id", &request.project_id).map(|id| vec![id]),
            statuses: some(v.enums("statuses", &request.statuses)),
            priorities: some(v.enums("priorities", &request.priorities)),
            assignee_ids: v.optional_uuid("assignee_id", &request.assignee_id).map(|id| vec![id]),
            parent_task_id: v.optional_uuid("parent_task_id", &request.parent_task_id),
            tags: some(v.tags("tags", request.tags)),
            due_before: v.optional_time("due_before", request.due_before),
            ..TaskFilter::default()
        };
        let whole = filter(&mut v, request.filter.unwrap_or_default());
        let filter = short.with(&mut v, whole);
        let order = v.optional_enum("order", request.order).unwrap_or(TaskOrder::NEWEST);
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { filter, order, page_size: request.page_size, page_token: request.page_token })
    }
}

impl TaskFilter {
    /// Merges the short form with the filter; each condition may be given in one of them.
    fn with(self, v: &mut Violations, filter: Self) -> Self {
        let is_placed =
            filter.parent_task_id.is_some() || filter.ancestor_task_id.is_some() || filter.is_root;
        let is_due = filter.due_from.is_some() || filter.due_before.is_some();
        for (field, is_twice) in [
            ("project_id", self.project_ids.is_some() && filter.project_ids.is_some()),
            ("statuses", self.statuses.is_some() && filter.statuses.is_some()),
            ("priorities", self.priorities.is_some() && filter.priorities.is_some()),
            (
                "assignee_id",
                self.assignee_ids.is_some() && (filter.assignee_ids.is_some() || filter.unassigned),
            ),
            ("parent_task_id", self.parent_task_id.is_some() && is_placed),
            ("tags", self.tags.is_some() && filter.tags.is_some()),
            ("due_before", self.due_before.is_some() && is_due),
        ] {
            v.require(!is_twice, field, "is in the filter as well; give it in one place");
        }
        Self {
            project_ids: self.project_ids.or(filter.project_ids),
            statuses: self.statuses.or(filter.statuses),
            priorities: self.priorities.or(filter.priorities),
            assignee_ids: self.assignee_ids.or(filter.assignee_ids),
            parent_task_id: self.parent_task_id.or(filter.parent_task_id),
            tags: self.tags.or(filter.tags),
            due_before: self.due_before.or(filter.due_before),
            ..filter
        }
    }
}

/// Validates the field `filter`.
pub(crate) fn filter(outer: &mut Violations, filter: pb::TaskFilter) -> TaskFilter {
    let mut v = Violations::within("filter.");
    check_consistency(&mut v, &filter);
    let (due_from, due_before) = period(&mut v, "due", filter.due);
    let (created_from, created_before) = period(&mut v, "created", filter.created);
    let (updated_from, updated_before) = period(&mut v, "updated", filter.updated);
    let (completed_from, completed_before) = period(&mut v, "completed", filter.completed);
    let (estimated_hours_from, estimated_hours_to) =
        range(&mut v, "estimated_hours", filter.estimated_hours.as_ref());
    let (actual_hours_from, actual_hours_to) = range(&mut v, "actual_hours", filter.actual_hours.as_ref());
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
        is_root: matches!(filter.position, Some(Position::IsRoot(_))),
        ancestor_task_id: match &filter.position {
            Some(Position::AncestorTaskId(id)) => Some(v.uuid("ancestor_task_id", id)),
            _ => None,
        },
        due_from,
        due_before,
        created_from,
        created_before,
        updated_from,
        updated_before,
        completed_from,
        completed_before,
        estimated_hours_from,
        estimated_hours_to,
        actual_hours_from,
        actual_hours_to,
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
        filter.completed.is_none() || is_done,
        "completed",
        "excludes the statuses: only what is done has it",
    );
    let excluded = |tag: &String| filter.no_tags.contains(tag);
    v.require(!filter.all_tags.iter().any(excluded), "no_tags", "has a tag that all_tags asks for");
    let is_excluded = !filter.any_tags.is_empty() && filter.any_tags.iter().all(excluded);
    v.require(!is_excluded, "no_tags", "has all tags of any_tags");
    v.require(filter.position != Some(Position::IsRoot(false)), "is_root", "must be true if given");
}

fn period(
    v: &mut Violations,
    field: &str,
    given: Option<pb::TimeRange>,
) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let Some(given) = given else { return (None, None) };
    let start = v.optional_time(&format!("{field}.start_time"), given.start_time);
    let end = v.optional_time(&format!("{field}.end_time"), given.end_time);
    v.require(given.start_time.is_some() || given.end_time.is_some(), field, "must have an end");
    if let (Some(start), Some(end)) = (start, end) {
        v.require(start < end, &format!("{field}.end_time"), "must be later than start_time");
    }
    (start, end)
}

fn range(v: &mut Violations, field: &str, given: Option<&pb::HoursRange>) -> (Option<i32>, Option<i32>) {
    let Some(given) = given else { return (None, None) };
    let min = hours(v, &format!("{field}.min_hours"), given.min_hours);
    let max = hours(v, &format!("{field}.max_hours"), given.max_hours);
    v.require(min.is_some() || max.is_some(), field, "must have an end");
    if let (Some(min), Some(max)) = (min, max) {
        v.require(min <= max, &format!("{field}.max_hours"), "must not be less than min_hours");
    }
    (min, max)
}

pub(crate) fn ids(v: &mut Violations, field: &str, given: &[String]) -> Option<Vec<Uuid>> {
    v.at_most(field, given.len(), MAX_FILTER_IDS);
    let mut ids: Vec<Uuid> = given.iter().take(MAX_FILTER_IDS).map(|id| v.uuid(field, id)).collect();
    ids.sort_unstable();
    ids.dedup();
    some(ids)
}

fn some<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

impl ProtoEnum for TaskOrder {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        use SortKey::{Created, Due, Number, Priority, Rank, Title, Updated};
        use pb::TaskOrder as Wire;
        let (key, is_descending) = match Wire::try_from(value).ok()? {
            Wire::Unspecified => return Some(None),
            Wire::Newest => (Created, true),
            Wire::Oldest => (Created, false),
            Wire::LastUpdated => (Updated, true),
            Wire::FirstUpdated => (Updated, false),
            Wire::Rank => (Rank, false),
            Wire::RankReversed => (Rank, true),
            Wire::MostUrgent => (Priority, true),
            Wire::LeastUrgent => (Priority, false),
            Wire::DueFirst => (Due, false),
            Wire::DueLast => (Due, true),
            Wire::Title => (Title, false),
            Wire::TitleReversed => (Title, true),
            Wire::LowestNumber => (Number, false),
            Wire::HighestNumber => (Number, true),
        };
        Some(Some(Self { key, is_descending }))
    }
}
