//! A project's plan: its graph with the hours that the schedule is made from.

use std::collections::HashSet;

use crate::schema::DependencyType;
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use super::{Edge, Graph, MAX_PLANNED_EDGES, MAX_PLANNED_TASKS, TaskInGraph};
use crate::schedule::{Circular, Schedule, schedule};

/// The open tasks of a project, and when they can and must happen.
#[derive(Clone, Debug)]
pub(crate) struct ProjectPlan {
    pub(crate) graph: Graph,
    /// For each node.
    pub(crate) hours: Vec<u64>,
    pub(crate) schedule: Schedule,
}

/// What a task that takes longer does to a plan.
#[derive(Clone, Debug)]
pub(crate) struct Slip {
    pub(crate) finish: u64,
    pub(crate) finish_delay: u64,
    /// Node, when it could begin before, and by how much that moves.
    pub(crate) delayed: Vec<(usize, u64, u64)>,
}

impl ProjectPlan {
    /// Plans these tasks. Edges at a task that is closed or gone hold nobody up and are left out.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` when there is too much to plan.
    pub(crate) fn of(tasks: Vec<TaskInGraph>, edges: Vec<Edge>, default_hours: u64) -> Result<Self> {
        if tasks.len() > MAX_PLANNED_TASKS || edges.len() > MAX_PLANNED_EDGES {
            return Err(too_large());
        }
        let (closed, open): (Vec<TaskInGraph>, Vec<TaskInGraph>) =
            tasks.into_iter().partition(TaskInGraph::is_closed);
        let closed: HashSet<Uuid> = closed.into_iter().map(|task| task.id).collect();
        let waiting: HashSet<Uuid> = open.iter().map(|task| task.id).collect();
        let holds = |edge: &Edge| waiting.contains(&edge.waiting) && !closed.contains(&edge.awaited);
        let edges: Vec<Edge> = edges.into_iter().filter(holds).collect();
        let graph = Graph::of(open, &edges);
        let hours = hours_of(&graph, default_hours);
        let schedule = plan(&graph, &hours)?;
        Ok(Self { graph, hours, schedule })
    }

    /// What happens if this task takes so much longer; `None` if it is not among those that are planned.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) fn slip(&self, task_id: Uuid, extra: u64) -> Result<Option<Slip>> {
        let is_it = |node: &Option<TaskInGraph>| node.as_ref().is_some_and(|task| task.id == task_id);
        let Some(place) = self.graph.nodes.iter().position(is_it) else { return Ok(None) };
        let longer = |(at, hours): (usize, &u64)| if at == place { hours + extra } else { *hours };
        let hours: Vec<u64> = self.hours.iter().enumerate().map(longer).collect();
        let slipped = plan(&self.graph, &hours)?;
        let starts = self.schedule.times.iter().zip(&slipped.times).enumerate();
        let delayed = starts
            .map(|(place, (was, is))| (place, was.earliest_start, is.earliest_start - was.earliest_start))
            .filter(|(_, _, delay)| *delay > 0)
            .collect();
        let finish_delay = slipped.finish - self.schedule.finish;
        Ok(Some(Slip { finish: slipped.finish, finish_delay, delayed }))
    }

    /// How many waves there are.
    pub(crate) fn wave_count(&self) -> u32 {
        self.schedule.times.iter().map(|times| times.wave + 1).max().unwrap_or_default()
    }
}

/// A hidden task takes no time that is known; a parent ends with its last subtask.
fn hours_of(graph: &Graph, default_hours: u64) -> Vec<u64> {
    let parts = graph.links.iter().filter(|link| link.kind == DependencyType::SubtaskOf);
    let parents: HashSet<usize> = parts.map(|link| link.waiting).collect();
    let left = |(place, node): (usize, &Option<TaskInGraph>)| match node {
        Some(task) if !parents.contains(&place) => task.hours_left(default_hours),
        _ => 0,
    };
    graph.nodes.iter().enumerate().map(left).collect()
}

fn plan(graph: &Graph, hours: &[u64]) -> Result<Schedule> {
    let waits: Vec<(usize, usize)> = graph.links.iter().map(|link| (link.waiting, link.awaited)).collect();
    // The database keeps circles out.
    schedule(hours, &waits).map_err(|Circular| Error::internal("what waits for what runs in a circle"))
}

fn too_large() -> Error {
    Error::precondition(
        ErrorReason::PlanTooLarge,
        format!("a plan has at most {MAX_PLANNED_TASKS} open tasks and {MAX_PLANNED_EDGES} edges"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TaskStatus;

    fn task(number: u128, status: TaskStatus, estimated: Option<i32>, actual: Option<i32>) -> TaskInGraph {
        TaskInGraph {
            id: Uuid::from_u128(number),
            project_id: Uuid::from_u128(99),
            key: format!("APO-{number}"),
            title: "x".to_owned(),
            status,
            estimated_hours: estimated,
            actual_hours: actual,
        }
    }

    fn edge(waiting: u128, awaited: u128, kind: DependencyType) -> Edge {
        Edge { waiting: Uuid::from_u128(waiting), awaited: Uuid::from_u128(awaited), kind }
    }

    #[test]
    fn hours_are_what_is_left() {
        let tasks = vec![
            task(1, TaskStatus::Pending, Some(5), Some(3)),
            task(2, TaskStatus::InProgress, Some(5), Some(3)),
            task(3, TaskStatus::Review, Some(5), Some(9)),
            task(4, TaskStatus::Blocked, None, None),
            task(5, TaskStatus::Pending, Some(7), None),
            task(6, TaskStatus::Done, Some(7), None),
        ];
        let part = DependencyType::SubtaskOf;
        let edges = vec![
            edge(5, 4, part),
            edge(5, 6, part),
            edge(1, 7, DependencyType::Blocks),
            edge(6, 1, DependencyType::Blocks),
        ];
        let plan = ProjectPlan::of(tasks, edges, 10).unwrap();
        // The done one is left out; the parent and the hidden one take no time.
        assert_eq!(plan.hours, [5, 2, 1, 10, 0, 0]);
        assert_eq!((plan.graph.links.len(), plan.graph.nodes[5].is_none()), (2, true));
        assert_eq!((plan.schedule.finish, plan.wave_count()), (10, 2));
    }

    #[test]
    fn a_slip_tells_who_begins_later() {
        let open = |number, hours| task(number, TaskStatus::Pending, Some(hours), None);
        let edges = vec![edge(3, 1, DependencyType::Blocks), edge(3, 2, DependencyType::Blocks)];
        let plan = ProjectPlan::of(vec![open(1, 2), open(2, 5), open(3, 1)], edges, 8).unwrap();
        let slip = plan.slip(Uuid::from_u128(1), 3).unwrap().unwrap();
        assert_eq!((slip.finish, slip.finish_delay, slip.delayed), (6, 0, vec![]));
        let slip = plan.slip(Uuid::from_u128(1), 4).unwrap().unwrap();
        assert_eq!((slip.finish, slip.finish_delay, slip.delayed), (7, 1, vec![(2, 5, 1)]));
        assert!(plan.slip(Uuid::from_u128(9), 1).unwrap().is_none());
    }
}
