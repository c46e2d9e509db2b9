//! Dependency graphs, diagrams, and plans: when the open tasks of a project can and must be worked on.

mod diagram;
mod graph;
mod project_plan;
mod queries;
pub(crate) mod rpc;
mod wire;
mod work_calendar;

use crate::schema::tasks;
use crate::schema::{DependencyType, SqlDependencyType, TaskStatus};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::tasks::project_key;

pub(crate) use graph::Graph;
pub(crate) use project_plan::{PlannedMilestone, ProjectPlan, Slip};

pub(crate) const MAX_PLANNED_TASKS: usize = 10_000;
pub(crate) const MAX_PLANNED_EDGES: usize = 50_000;
/// Limit for each direction.
pub(crate) const MAX_GRAPH_EDGES: usize = 2_000;
/// Levels of a graph around a task.
pub(crate) const MAX_DEPTH: i32 = 20;
pub(crate) const DEFAULT_DEPTH: i32 = 3;
/// A diagram with more is not legible. With these limits it stays below the 500 edges and 50,000 characters that Mermaid
/// draws, also if each character of a title is quoted.
pub(crate) const MAX_DIAGRAM_TASKS: usize = 100;
pub(crate) const MAX_DIAGRAM_EDGES: usize = 300;
/// Longer titles are cut, so that a whole graph fits into one message.
const MAX_SHOWN_TITLE_CHARS: usize = 40;
/// Assumed for a task without an estimate: a day's work.
pub(crate) const DEFAULT_ESTIMATE_MINUTES: i32 = 8 * 60;
/// A started task takes at least this much, or its estimate if that is less.
const MIN_REMAINING_MINUTES: u64 = 60;

/// The fields of a task that a graph shows and a plan uses.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = tasks)]
pub(crate) struct GraphTask {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    #[diesel(select_expression = project_key(tasks::project_id))]
    pub(crate) project_key: String,
    pub(crate) number: i64,
    pub(crate) title: String,
    pub(crate) status: TaskStatus,
    pub(crate) estimated_minutes: Option<i32>,
    pub(crate) actual_minutes: Option<i32>,
    pub(crate) assignee_id: Option<Uuid>,
    pub(crate) milestone_id: Option<Uuid>,
    pub(crate) start_date: Option<DateTime<Utc>>,
    pub(crate) due_date: Option<DateTime<Utc>>,
}

/// The dependent task waits for the prerequisite, relates to it, or has it as a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
pub(crate) struct Edge {
    #[diesel(sql_type = diesel::sql_types::Uuid, column_name = waiting)]
    pub(crate) dependent: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid, column_name = awaited)]
    pub(crate) prerequisite: Uuid,
    #[diesel(sql_type = SqlDependencyType)]
    pub(crate) kind: DependencyType,
}

/// An edge between indexes of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexedEdge {
    pub(crate) dependent: usize,
    pub(crate) prerequisite: usize,
    pub(crate) kind: DependencyType,
}

impl GraphTask {
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.status, TaskStatus::Done | TaskStatus::Cancelled)
    }

    fn is_started(&self) -> bool {
        matches!(self.status, TaskStatus::InProgress | TaskStatus::Review)
    }

    fn short_title(&self) -> String {
        if self.title.chars().count() <= MAX_SHOWN_TITLE_CHARS {
            return self.title.clone();
        }
        self.title.chars().take(MAX_SHOWN_TITLE_CHARS - 1).chain(['…']).collect()
    }

    /// Remaining work: of a started task what is left of its estimate.
    fn remaining_minutes(&self, default_minutes: u64) -> u64 {
        let minutes = |value: Option<i32>| value.and_then(|minutes| u64::try_from(minutes).ok());
        let estimate = minutes(self.estimated_minutes).unwrap_or(default_minutes);
        match self.status {
            TaskStatus::Done | TaskStatus::Cancelled => 0,
            TaskStatus::InProgress | TaskStatus::Review => {
                let left = estimate.saturating_sub(minutes(self.actual_minutes).unwrap_or_default());
                left.max(estimate.min(MIN_REMAINING_MINUTES))
            }
            TaskStatus::Pending | TaskStatus::Blocked => estimate,
        }
    }

    fn key(&self) -> String {
        format!("{}-{}", self.project_key, self.number)
    }
}
