//! Conversions of graphs and plans from and to proto.

use crate::schema::DependencyType;
use chrono::{DateTime, Utc};
use prost_types::{Duration, Timestamp};
use proto::task::v1 as pb;
use shared::error::Result;
use shared::json::to_timestamp;
use shared::validation::Violations;
use uuid::Uuid;

use super::diagram::{Diagram, Focus, GraphFormat, PlanFormat, draw_graph, draw_plan};
use super::{
    DEFAULT_DEPTH, DEFAULT_ESTIMATE_MINUTES, Graph, GraphTask, IndexedEdge, MAX_DEPTH, PlannedMilestone,
    ProjectPlan, Slip,
};
use crate::schedule::Times;
use crate::tasks::wire::{minutes, work};

#[derive(Clone, Debug)]
pub(super) struct GetDependencyGraphInput {
    pub(super) task_id: Uuid,
    pub(super) depth: i32,
    pub(super) prerequisites: bool,
    pub(super) dependents: bool,
    pub(super) kinds: Vec<DependencyType>,
    pub(super) diagram: Option<GraphFormat>,
}

impl TryFrom<pb::GetDependencyGraphRequest> for GetDependencyGraphInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::GetDependencyGraphRequest) -> Result<Self> {
        let mut v = Violations::new();
        let task_id = v.uuid("task_id", &request.task_id);
        let depth = if request.depth == 0 { DEFAULT_DEPTH } else { request.depth };
        v.require((1..=MAX_DEPTH).contains(&depth), "depth", "must be 0 to 20");
        let direction = pb::DependencyDirection::try_from(request.direction);
        v.require(direction.is_ok(), "direction", "must be a known value of this enum");
        let mut kinds = v.enums("dependency_types", &request.dependency_types);
        if kinds.is_empty() {
            kinds = DependencyType::ALL.to_vec();
        }
        let diagram = graph_format(&mut v, request.diagram_format);
        v.finish()?;
        let prerequisites = direction != Ok(pb::DependencyDirection::Dependents);
        let dependents = direction != Ok(pb::DependencyDirection::DependsOn);
        Ok(Self { task_id, depth, prerequisites, dependents, kinds, diagram })
    }
}

/// What a plan takes for granted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assumptions {
    /// The estimate of a task without one.
    pub(super) default_minutes: u64,
    /// When the work starts.
    pub(super) start: DateTime<Utc>,
}

impl Assumptions {
    fn read(v: &mut Violations, default_estimate: Option<Duration>, start_at: Option<Timestamp>) -> Self {
        let minutes = minutes(v, "default_estimate", default_estimate).unwrap_or(DEFAULT_ESTIMATE_MINUTES);
        let start = v.optional_time("start_at", start_at).unwrap_or_else(Utc::now);
        Self { default_minutes: u64::try_from(minutes).unwrap_or_default(), start }
    }
}

#[derive(Debug)]
pub(super) struct GetPlanInput {
    pub(super) project_id: Uuid,
    pub(super) assumptions: Assumptions,
    pub(super) diagram: Option<PlanFormat>,
    pub(super) focus: Focus,
}

impl TryFrom<pb::GetPlanRequest> for GetPlanInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::GetPlanRequest) -> Result<Self> {
        let mut v = Violations::new();
        let project_id = v.uuid("project_id", &request.project_id);
        let assumptions = Assumptions::read(&mut v, request.default_estimate, request.start_at);
        let diagram = plan_format(&mut v, request.diagram_format);
        let focus = focus(&mut v, request.diagram_focus);
        v.finish()?;
        Ok(Self { project_id, assumptions, diagram, focus })
    }
}

#[derive(Debug)]
pub(super) struct GetSlipImpactInput {
    pub(super) project_id: Uuid,
    pub(super) task_id: Uuid,
    pub(super) extra_minutes: u64,
    pub(super) assumptions: Assumptions,
}

impl TryFrom<pb::GetSlipImpactRequest> for GetSlipImpactInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::GetSlipImpactRequest) -> Result<Self> {
        let mut v = Violations::new();
        let input = Self {
            project_id: v.uuid("project_id", &request.project_id),
            task_id: v.uuid("task_id", &request.task_id),
            extra_minutes: required_minutes(&mut v, "extra_duration", request.extra_duration),
            assumptions: Assumptions::read(&mut v, request.default_estimate, request.start_at),
        };
        v.finish()?;
        Ok(input)
    }
}

fn required_minutes(v: &mut Violations, field: &str, value: Option<Duration>) -> u64 {
    v.require(value.is_some(), field, "must be given");
    let given = minutes(v, field, value).unwrap_or_default();
    u64::try_from(given).unwrap_or_default()
}

fn graph_format(v: &mut Violations, value: i32) -> Option<GraphFormat> {
    match pb::DiagramFormat::try_from(value) {
        Ok(pb::DiagramFormat::Unspecified) => None,
        Ok(pb::DiagramFormat::Mermaid) => Some(GraphFormat::Mermaid),
        Ok(pb::DiagramFormat::Dot) => Some(GraphFormat::Dot),
        Ok(pb::DiagramFormat::MermaidGantt) => {
            v.add("diagram_format", "must be a flowchart: a Gantt chart shows a plan".to_owned());
            None
        }
        Err(_) => {
            v.add("diagram_format", format!("{value} is not a value of this enum"));
            None
        }
    }
}

fn plan_format(v: &mut Violations, value: i32) -> Option<PlanFormat> {
    match value == i32::from(pb::DiagramFormat::MermaidGantt) {
        true => Some(PlanFormat::Gantt),
        false => graph_format(v, value).map(PlanFormat::Graph),
    }
}

fn focus(v: &mut Violations, value: i32) -> Focus {
    match pb::DiagramFocus::try_from(value) {
        Ok(pb::DiagramFocus::Unspecified) => Focus::Everything,
        Ok(pb::DiagramFocus::CriticalPath) => Focus::CriticalPath,
        Err(_) => {
            v.add("diagram_focus", format!("{value} is not a value of this enum"));
            Focus::Everything
        }
    }
}

/// Either the graph or a diagram of it.
pub(super) fn dependency_graph(
    graph: &Graph,
    truncated: bool,
    diagram: Option<GraphFormat>,
) -> pb::DependencyGraph {
    if let Some(format) = diagram {
        let Diagram { text, omitted_tasks, omitted_edges } = draw_graph(graph, format);
        return pb::DependencyGraph {
            truncated,
            diagram: text,
            omitted_task_count: to_i32(omitted_tasks),
            omitted_edge_count: to_i32(omitted_edges),
            ..Default::default()
        };
    }
    pb::DependencyGraph {
        nodes: graph.nodes.iter().map(node).collect(),
        edges: graph.edges.iter().map(edge).collect(),
        truncated,
        ..Default::default()
    }
}

/// Either the plan or a diagram of it.
pub(super) fn plan(
    project_id: Uuid,
    plan: &ProjectPlan,
    diagram: Option<PlanFormat>,
    focus: Focus,
) -> pb::Plan {
    let sums = pb::Plan {
        project_id: project_id.to_string(),
        finish: Some(duration(plan.schedule.finish)),
        wave_count: i32::try_from(plan.wave_count()).unwrap_or(i32::MAX),
        ..Default::default()
    };
    if let Some(format) = diagram {
        let Diagram { text, omitted_tasks, omitted_edges } = draw_plan(plan, format, focus);
        return pb::Plan {
            diagram: text,
            omitted_task_count: to_i32(omitted_tasks),
            omitted_edge_count: to_i32(omitted_edges),
            ..sums
        };
    }
    let planned = plan.graph.nodes.iter().zip(&plan.minutes).zip(&plan.schedule.times);
    pb::Plan {
        tasks: planned.map(|((task, minutes), times)| planned_task(task, *minutes, times)).collect(),
        edges: plan.graph.edges.iter().map(edge).collect(),
        critical_path: plan.schedule.critical_path.iter().map(|task| to_i32(*task)).collect(),
        ..sums
    }
}

pub(super) fn planned_milestone(planned: PlannedMilestone) -> pb::PlannedMilestone {
    pb::PlannedMilestone {
        late: planned.is_late(),
        milestone_id: planned.milestone.id.to_string(),
        name: planned.milestone.name,
        due_at: planned.milestone.due_date.map(to_timestamp),
        open_task_count: to_i32(planned.open_tasks),
        finish: Some(duration(planned.finish)),
        finish_at: Some(to_timestamp(planned.finish_at)),
    }
}

pub(super) fn slip_impact(plan: &ProjectPlan, slip: &Slip) -> pb::SlipImpact {
    let delayed = slip.delayed.iter().map(|(index, earliest_start, delay)| pb::DelayedTask {
        node: plan.graph.nodes.get(*index).map(node),
        earliest_start: Some(duration(*earliest_start)),
        delay: Some(duration(*delay)),
    });
    pb::SlipImpact {
        finish: Some(duration(slip.finish)),
        finish_delay: Some(duration(slip.finish_delay)),
        delayed_tasks: delayed.collect(),
    }
}

fn planned_task(task: &Option<GraphTask>, minutes: u64, times: &Times) -> pb::PlannedTask {
    pb::PlannedTask {
        node: Some(node(task)),
        wave: i32::try_from(times.wave).unwrap_or(i32::MAX),
        duration: Some(duration(minutes)),
        earliest_start: Some(duration(times.earliest_start)),
        earliest_finish: Some(duration(times.earliest_finish)),
        latest_start: Some(duration(times.latest_start)),
        latest_finish: Some(duration(times.latest_finish)),
        slack: Some(duration(times.slack())),
    }
}

fn node(task: &Option<GraphTask>) -> pb::GraphNode {
    let Some(task) = task else { return pb::GraphNode { hidden: true, ..Default::default() } };
    pb::GraphNode {
        task_id: task.id.to_string(),
        key: task.key(),
        title: task.short_title(),
        status: task.status.into(),
        project_id: task.project_id.to_string(),
        hidden: false,
    }
}

fn edge(edge: &IndexedEdge) -> pb::GraphEdge {
    pb::GraphEdge {
        dependent_index: to_i32(edge.dependent),
        prerequisite_index: to_i32(edge.prerequisite),
        dependency_type: edge.kind.into(),
    }
}

/// A position in a list, or a count.
fn to_i32(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn duration(minutes: u64) -> Duration {
    work(i64::try_from(minutes).unwrap_or(i64::MAX))
}
