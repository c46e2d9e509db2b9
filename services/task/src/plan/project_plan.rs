//! A project's plan: its graph, the work that remains, and the schedule.

use std::collections::{HashMap, HashSet};

use crate::schema::DependencyType;
use chrono::{DateTime, Utc};
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use super::work_calendar::WorkCalendar;
use super::{Edge, Graph, GraphTask, MAX_PLANNED_EDGES, MAX_PLANNED_TASKS};
use crate::milestones::Milestone;
use crate::schedule::{CycleError, Schedule, schedule};

#[derive(Clone, Debug)]
pub(crate) struct ProjectPlan {
    pub(crate) graph: Graph,
    /// Of each node.
    pub(crate) minutes: Vec<u64>,
    pub(crate) schedule: Schedule,
    pub(super) calendar: WorkCalendar,
    /// Of each node, the work from now until its start date.
    waits: Vec<u64>,
}

/// When the last open task of a milestone can be finished.
#[derive(Clone, Debug)]
pub(crate) struct PlannedMilestone {
    pub(crate) milestone: Milestone,
    pub(crate) open_tasks: usize,
    pub(crate) finish: u64,
    pub(crate) finish_at: DateTime<Utc>,
}

impl PlannedMilestone {
    /// Whether it cannot be reached when it is due.
    pub(crate) fn is_late(&self) -> bool {
        self.milestone.due_date.is_some_and(|due| due < self.finish_at)
    }
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
    pub(crate) fn of(
        tasks: Vec<GraphTask>,
        edges: Vec<Edge>,
        default_minutes: u64,
        start: DateTime<Utc>,
    ) -> Result<Self> {
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
        let parents = parents_of(&graph);
        let minutes = minutes_of(&graph, &parents, default_minutes);
        let calendar = WorkCalendar::starting_at(start);
        let waits = waits_of(&graph, &parents, &calendar);
        let schedule = plan(&graph, &minutes, &waits)?;
        Ok(Self { graph, minutes, schedule, calendar, waits })
    }

    /// The impact of a longer task; `None` if the task is not in the plan.
    pub(crate) fn slip(&self, task_id: Uuid, extra: u64) -> Result<Option<Slip>> {
        let is_it = |node: &Option<GraphTask>| node.as_ref().is_some_and(|task| task.id == task_id);
        let Some(index) = self.graph.nodes.iter().position(is_it) else { return Ok(None) };
        let longer = |(at, minutes): (usize, &u64)| if at == index { minutes + extra } else { *minutes };
        let minutes: Vec<u64> = self.minutes.iter().enumerate().map(longer).collect();
        let slipped = plan(&self.graph, &minutes, &self.waits)?;
        let starts = self.schedule.times.iter().zip(&slipped.times).enumerate();
        let delayed = starts
            .map(|(index, (was, is))| (index, was.earliest_start, is.earliest_start - was.earliest_start))
            .filter(|(_, _, delay)| *delay > 0)
            .collect();
        let finish_delay = slipped.finish - self.schedule.finish;
        Ok(Some(Slip { finish: slipped.finish, finish_delay, delayed }))
    }

    /// When these milestones can be reached.
    pub(crate) fn reach(&self, milestones: Vec<Milestone>) -> Vec<PlannedMilestone> {
        let mut finishes: HashMap<Uuid, (usize, u64)> = HashMap::new();
        for (node, times) in self.graph.nodes.iter().zip(&self.schedule.times) {
            if let Some(id) = node.as_ref().and_then(|task| task.milestone_id) {
                let (open_tasks, finish) = finishes.entry(id).or_default();
                *open_tasks += 1;
                *finish = times.earliest_finish.max(*finish);
            }
        }
        let reached = milestones.into_iter().map(|milestone| {
            let (open_tasks, finish) = finishes.get(&milestone.id).copied().unwrap_or_default();
            let finish_at = self.calendar.end(finish).and_utc();
            PlannedMilestone { milestone, open_tasks, finish, finish_at }
        });
        reached.collect()
    }

    pub(crate) fn wave_count(&self) -> u32 {
        self.schedule.times.iter().map(|times| times.wave + 1).max().unwrap_or_default()
    }
}

fn parents_of(graph: &Graph) -> HashSet<usize> {
    let parts = graph.edges.iter().filter(|edge| edge.kind == DependencyType::SubtaskOf);
    parts.map(|edge| edge.dependent).collect()
}

/// The start date holds up work that has not begun. A parent has no work of its own.
fn waits_of(graph: &Graph, parents: &HashSet<usize>, calendar: &WorkCalendar) -> Vec<u64> {
    let wait = |(index, node): (usize, &Option<GraphTask>)| {
        let task = node.as_ref().filter(|task| !task.is_started() && !parents.contains(&index));
        task.and_then(|task| task.start_date).map_or(0, |start| calendar.minutes_until(start))
    };
    graph.nodes.iter().enumerate().map(wait).collect()
}

/// A hidden task counts as no work. A parent has no work of its own: it ends with its last subtask.
fn minutes_of(graph: &Graph, parents: &HashSet<usize>, default_minutes: u64) -> Vec<u64> {
    let left = |(index, node): (usize, &Option<GraphTask>)| match node {
        Some(task) if !parents.contains(&index) => task.remaining_minutes(default_minutes),
        _ => 0,
    };
    graph.nodes.iter().enumerate().map(left).collect()
}

fn plan(graph: &Graph, minutes: &[u64], waits: &[u64]) -> Result<Schedule> {
    let edges: Vec<(usize, usize)> =
        graph.edges.iter().map(|edge| (edge.dependent, edge.prerequisite)).collect();
    // The database rejects cycles.
    schedule(minutes, waits, &edges)
        .map_err(|CycleError| Error::internal("what waits for what runs in a circle"))
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
            milestone_id: None,
            start_date: None,
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
        let plan = ProjectPlan::of(tasks, edges, 10, Utc::now()).unwrap();
        // The done task is left out; the parent and the hidden task take no time.
        assert_eq!(plan.minutes, [300, 120, 60, 10, 0, 0]);
        assert_eq!((plan.graph.edges.len(), plan.graph.nodes[5].is_none()), (2, true));
        assert_eq!((plan.schedule.finish, plan.wave_count()), (300, 2));
    }

    #[test]
    fn slip_impact_lists_delayed_tasks() {
        let open = |number, hours| task(number, TaskStatus::Pending, Some(hours), None);
        let edges = vec![edge(3, 1, DependencyType::Blocks), edge(3, 2, DependencyType::Blocks)];
        let plan = ProjectPlan::of(vec![open(1, 2), open(2, 5), open(3, 1)], edges, 8, Utc::now()).unwrap();
        let slip = plan.slip(Uuid::from_u128(1), 3).unwrap().unwrap();
        assert_eq!((slip.finish, slip.finish_delay, slip.delayed), (6, 0, vec![]));
        let slip = plan.slip(Uuid::from_u128(1), 4).unwrap().unwrap();
        assert_eq!((slip.finish, slip.finish_delay, slip.delayed), (7, 1, vec![(2, 5, 1)]));
        assert!(plan.slip(Uuid::from_u128(9), 1).unwrap().is_none());
    }

    #[test]
    fn work_waits_for_its_start_date() {
        let monday = "2026-11-30T09:00:00Z".parse().unwrap();
        let from = |number, status, start: &str| GraphTask {
            start_date: Some(start.parse().unwrap()),
            ..task(number, status, Some(60), None)
        };
        let tasks = vec![
            from(1, TaskStatus::Pending, "2026-12-01T10:00:00Z"),
            from(2, TaskStatus::InProgress, "2026-12-01T10:00:00Z"),
            from(3, TaskStatus::Blocked, "2026-11-30T10:00:00Z"),
            // A parent.
            from(4, TaskStatus::Pending, "2026-12-04T09:00:00Z"),
        ];
        let edges = vec![edge(3, 1, DependencyType::Blocks), edge(4, 2, DependencyType::SubtaskOf)];
        let plan = ProjectPlan::of(tasks, edges, 10, monday).unwrap();
        let starts: Vec<u64> = plan.schedule.times.iter().map(|times| times.earliest_start).collect();
        assert_eq!(starts, [540, 0, 600, 60]);
        assert_eq!((plan.schedule.finish, plan.schedule.critical_path.as_slice()), (660, [0, 2].as_slice()));
        let slip = plan.slip(Uuid::from_u128(2), 700).unwrap().unwrap();
        assert_eq!((slip.finish, slip.finish_delay, slip.delayed), (760, 100, vec![(3, 60, 700)]));
    }
}
