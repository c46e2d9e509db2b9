//! A project's plan: its graph, the work that remains, and the schedule.

use std::collections::HashSet;

use crate::schema::DependencyType;
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use super::{Edge, Graph, GraphTask, MAX_PLANNED_EDGES, MAX_PLANNED_TASKS};
use crate::schedule::{CycleError, Schedule, schedule};

#[derive(Clone, Debug)]
pub(crate) struct ProjectPlan {
    pub(crate) graph: Graph,
    /// Of each node.
    pub(crate) minutes: Vec<u64>,
    pub(crate) schedule: Schedule,
}

/// What happens to a plan if a task takes longer.
#[derive(Clone, Debug)]
pub(crate) struct Slip {
    pub(crate) finish: u64,
    pub(crate) finish_delay: u64,
    /// Index of the node, its earliest start before, and the delay.
    pub(crate) delayed: Vec<(usize, u64, u64)>,
}

impl ProjectPlan {
    /// Plans these tasks. Edges from or to a closed task are left out.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` if the plan is too large.
    pub(crate) fn of(tasks: Vec<GraphTask>, edges: Vec<Edge>, default_minutes: u64) -> Result<Self> {
        if tasks.len() > MAX_PLANNED_TASKS || edges.len() > MAX_PLANNED_EDGES {
            return Err(too_large());
        }
        let (closed, open): (Vec<GraphTask>, Vec<GraphTask>) =
            tasks.into_iter().partition(GraphTask::is_closed);
        let closed: HashSet<Uuid> = closed.into_iter().map(|task| task.id).collect();
        let dependent: HashSet<Uuid> = open.iter().map(|task| task.id).collect();
        let holds = |edge: &Edge| dependent.contains(&edge.dependent) && !closed.contains(&edge.prerequisite);
        let edges: Vec<Edge> = edges.into_iter().filter(holds).collect();
        let graph = Graph::of(open, &edges);
        let minutes = minutes_of(&graph, default_minutes);
        let schedule = plan(&graph, &minutes)?;
        Ok(Self { graph, minutes, schedule })
    }

    /// The impact of a longer task; `None` if the task is not in the plan.
    pub(crate) fn slip(&self, task_id: Uuid, extra: u64) -> Result<Option<Slip>> {
        let is_it = |node: &Option<GraphTask>| node.as_ref().is_some_and(|task| task.id == task_id);
        let Some(index) = self.graph.nodes.iter().position(is_it) else { return Ok(None) };
        let longer = |(at, minutes): (usize, &u64)| if at == index { minutes + extra } else { *minutes };
        let minutes: Vec<u64> = self.minutes.iter().enumerate().map(longer).collect();
        let slipped = plan(&self.graph, &minutes)?;
        let starts = self.schedule.times.iter().zip(&slipped.times).enumerate();
        let delayed = starts
            .map(|(index, (was, is))| (index, was.earliest_start, is.earliest_start - was.earliest_start))
            .filter(|(_, _, delay)| *delay > 0)
            .collect();
        let finish_delay = slipped.finish - self.schedule.finish;
        Ok(Some(Slip { finish: slipped.finish, finish_delay, delayed }))
    }

    pub(crate) fn wave_count(&self) -> u32 {
        self.schedule.times.iter().map(|times| times.wave + 1).max().unwrap_or_default()
    }
}

/// A hidden task counts as no work. A parent has no work of its own: it ends with its last subtask.
fn minutes_of(graph: &Graph, default_minutes: u64) -> Vec<u64> {
    let parts = graph.edges.iter().filter(|edge| edge.kind == DependencyType::SubtaskOf);
    let parents: HashSet<usize> = parts.map(|edge| edge.dependent).collect();
    let left = |(index, node): (usize, &Option<GraphTask>)| match node {
        Some(task) if !parents.contains(&index) => task.remaining_minutes(default_minutes),
        _ => 0,
    };
    graph.nodes.iter().enumerate().map(left).collect()
}

fn plan(graph: &Graph, minutes: &[u64]) -> Result<Schedule> {
    let waits: Vec<(usize, usize)> =
        graph.edges.iter().map(|edge| (edge.dependent, edge.prerequisite)).collect();
    // The database rejects cycles.
    schedule(minutes, &waits).map_err(|CycleError| Error::internal("what waits for what runs in a circle"))
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

    fn task(number: u128, status: TaskStatus, estimated: Option<i32>, actual: Option<i32>) -> GraphTask {
        GraphTask {
            id: Uuid::from_u128(number),
            project_id: Uuid::from_u128(99),
            project_key: "APO".to_owned(),
            number: i64::try_from(number).unwrap(),
            title: "x".to_owned(),
            status,
            estimated_minutes: estimated,
            actual_minutes: actual,
            assignee_id: None,
            due_date: None,
        }
    }

    fn edge(dependent: u128, prerequisite: u128, kind: DependencyType) -> Edge {
        Edge { dependent: Uuid::from_u128(dependent), prerequisite: Uuid::from_u128(prerequisite), kind }
    }

    #[test]
    fn planned_work_is_what_remains() {
        let tasks = vec![
            task(1, TaskStatus::Pending, Some(300), Some(180)),
            task(2, TaskStatus::InProgress, Some(300), Some(180)),
            task(3, TaskStatus::Review, Some(300), Some(540)),
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
        // The done task is left out; the parent and the hidden task take no time.
        assert_eq!(plan.minutes, [300, 120, 60, 10, 0, 0]);
        assert_eq!((plan.graph.edges.len(), plan.graph.nodes[5].is_none()), (2, true));
        assert_eq!((plan.schedule.finish, plan.wave_count()), (300, 2));
    }

    #[test]
    fn slip_impact_lists_delayed_tasks() {
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
