//! Pictures of the graph, and plans: the open tasks of a project with when they can and must happen.

mod drawing;
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

/// Most open tasks of a project that is planned.
pub(crate) const MAX_PLANNED_TASKS: usize = 10_000;
/// Most edges of a plan.
pub(crate) const MAX_PLANNED_EDGES: usize = 50_000;
/// Most edges in each direction of a graph around a task.
pub(crate) const MAX_GRAPH_EDGES: usize = 2_000;
/// Most levels of a graph around a task.
pub(crate) const MAX_DEPTH: i32 = 20;
/// Levels of a graph around a task when the client does not say.
pub(crate) const DEFAULT_DEPTH: i32 = 3;
/// Hours that a task without an estimate takes when the client does not say: a day's work.
pub(crate) const DEFAULT_HOURS: i32 = 8;

/// What a graph shows of a task, and a plan stands on.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = tasks)]
pub(crate) struct TaskInGraph {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) status: TaskStatus,
    pub(crate) estimated_hours: Option<i32>,
    pub(crate) actual_hours: Option<i32>,
}

/// One task waits for, depends on or is made up of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
pub(crate) struct Edge {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub(crate) waiting: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub(crate) awaited: Uuid,
    #[diesel(sql_type = SqlDependencyType)]
    pub(crate) kind: DependencyType,
}

/// An edge between places in a list of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) waiting: usize,
    pub(crate) awaited: usize,
    pub(crate) kind: DependencyType,
}

impl TaskInGraph {
    /// Whether nothing is left to do.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.status, TaskStatus::Done | TaskStatus::Cancelled)
    }

    /// How long it still takes; of one that has begun, what the hours so far leave of it, at least one.
    fn hours_left(&self, default_hours: u64) -> u64 {
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
