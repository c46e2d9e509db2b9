//! Dependency graphs, diagrams, and plans: when the open tasks of a project can and must be worked on.

mod diagram;
mod graph;
mod project_plan;
mod queries;
pub(crate) mod rpc;
mod wire;

use crate::schema::tasks;
use crate::schema::{DependencyType, SqlDependencyType, TaskStatus};
use diesel::prelude::*;
use uuid::Uuid;

pub(crate) use graph::Graph;
pub(crate) use project_plan::{ProjectPlan, Slip};

pub(crate) const MAX_PLANNED_TASKS: usize = 10_000;
pub(crate) const MAX_PLANNED_EDGES: usize = 50_000;
/// Limit for each direction.
pub(crate) const MAX_GRAPH_EDGES: usize = 2_000;
/// Levels of a graph around a task.
pub(crate) const MAX_DEPTH: i32 = 20;
pub(crate) const DEFAULT_DEPTH: i32 = 3;
/// Longer titles are cut, so that a whole graph fits into one message.
const MAX_SHOWN_TITLE_CHARS: usize = 40;
/// Assumed for a task without an estimate: a day's work.
pub(crate) const DEFAULT_HOURS: i32 = 8;

/// The fields of a task that a graph shows and a plan uses.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = tasks)]
pub(crate) struct GraphTask {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) status: TaskStatus,
    pub(crate) estimated_hours: Option<i32>,
    pub(crate) actual_hours: Option<i32>,
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

    fn short_title(&self) -> String {
        if self.title.chars().count() <= MAX_SHOWN_TITLE_CHARS {
            return self.title.clone();
        }
        self.title.chars().take(MAX_SHOWN_TITLE_CHARS - 1).chain(['…']).collect()
    }

    /// Remaining work: of a started task what is left of its estimate, at least one hour.
    fn remaining_hours(&self, default_hours: u64) -> u64 {
        let hours = |value: Option<i32>| value.and_then(|hours| u64::try_from(hours).ok());
        let whole = hours(self.estimated_hours).unwrap_or(default_hours);
        match self.status {
            TaskStatus::Done | TaskStatus::Cancelled => 0,
            TaskStatus::InProgress | TaskStatus::Review => {
                whole.saturating_sub(hours(self.actual_hours).unwrap_or_default()).max(1)
            }
            TaskStatus::Pending | TaskStatus::Blocked => whole,
        }
    }
}
