//! Filters and orders of tasks, for lists, search, facets and the caller's work. Only the database function
//! `find_tasks` defines what a filter means in SQL.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::{TaskPriority, TaskStatus};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::tasks::Task;

pub(crate) const MAX_FILTER_IDS: usize = 100;
pub(crate) const MAX_TEXT_CHARS: usize = 500;

pub(crate) const OPEN_STATUSES: [TaskStatus; 4] =
    [TaskStatus::Pending, TaskStatus::InProgress, TaskStatus::Review, TaskStatus::Blocked];

/// All conditions must hold; `None` and `false` do not filter. The fields are those of the SQL type `task_filter`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct TaskFilter {
    /// `None`: all that the caller may read.
    pub(crate) project_ids: Option<Vec<Uuid>>,
    pub(crate) statuses: Option<Vec<TaskStatus>>,
    pub(crate) priorities: Option<Vec<TaskPriority>>,
    pub(crate) assignee_ids: Option<Vec<Uuid>>,
    pub(crate) unassigned: bool,
    pub(crate) creator_ids: Option<Vec<Uuid>>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) any_tags: Option<Vec<String>>,
    pub(crate) no_tags: Option<Vec<String>>,
    pub(crate) parent_task_id: Option<Uuid>,
    pub(crate) is_root: bool,
    pub(crate) ancestor_task_id: Option<Uuid>,
    pub(crate) milestone_ids: Option<Vec<Uuid>>,
    pub(crate) start_from: Option<DateTime<Utc>>,
    pub(crate) start_before: Option<DateTime<Utc>>,
    pub(crate) due_from: Option<DateTime<Utc>>,
    pub(crate) due_before: Option<DateTime<Utc>>,
    pub(crate) created_from: Option<DateTime<Utc>>,
    pub(crate) created_before: Option<DateTime<Utc>>,
    pub(crate) updated_from: Option<DateTime<Utc>>,
    pub(crate) updated_before: Option<DateTime<Utc>>,
    pub(crate) completed_from: Option<DateTime<Utc>>,
    pub(crate) completed_before: Option<DateTime<Utc>>,
    pub(crate) estimated_minutes_from: Option<i32>,
    pub(crate) estimated_minutes_to: Option<i32>,
    pub(crate) actual_minutes_from: Option<i32>,
    pub(crate) actual_minutes_to: Option<i32>,
    pub(crate) is_overdue: bool,
    pub(crate) metadata: Option<Value>,
    /// Web search syntax, or a task key.
    pub(crate) search_text: Option<String>,
}

impl TaskFilter {
    /// The project, if the filter asks for all tasks of one project.
    fn whole_project(&self) -> Option<Uuid> {
        let [project_id] = self.project_ids.as_deref()? else { return None };
        let whole = Self { project_ids: self.project_ids.clone(), ..Self::default() };
        (*self == whole).then_some(*project_id)
    }
}

/// Ties are ordered by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortKey {
    Created,
    Updated,
    Rank,
    Priority,
    Start,
    Due,
    Title,
    Number,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskOrder {
    pub(crate) key: SortKey,
    pub(crate) is_descending: bool,
}

/// The position of a page: after this task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AfterTask {
    /// The task's sort key as PostgreSQL text.
    pub(crate) key: String,
    pub(crate) id: Uuid,
}

impl SortKey {
    /// The argument of `find_tasks` and `list_project_tasks`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Rank => "rank",
            Self::Priority => "priority",
            Self::Start => "start",
            Self::Due => "due",
            Self::Title => "title",
            Self::Number => "number",
        }
    }

    fn of(self, task: &Task) -> String {
        match self {
            Self::Created => task.created_at.to_rfc3339(),
            Self::Updated => task.updated_at.to_rfc3339(),
            Self::Rank => task.rank.clone(),
            Self::Priority => task.priority.as_str().to_owned(),
            Self::Start => date_key(task.start_date),
            Self::Due => date_key(task.due_date),
            Self::Title => task.title.clone(),
            Self::Number => task.number.to_string(),
        }
    }
}

/// Tasks without a date come last.
fn date_key(date: Option<DateTime<Utc>>) -> String {
    date.map_or_else(|| "infinity".to_owned(), |date| date.to_rfc3339())
}

impl TaskOrder {
    pub(crate) const NEWEST: Self = Self { key: SortKey::Created, is_descending: true };

    pub(crate) fn position(self, task: &Task) -> AfterTask {
        AfterTask { key: self.key.of(task), id: task.id }
    }
}
