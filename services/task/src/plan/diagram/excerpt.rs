//! The part of a graph that a diagram shows.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::schema::DependencyType;

use super::Focus;
use crate::plan::{Graph, GraphTask, IndexedEdge, MAX_DIAGRAM_EDGES, MAX_DIAGRAM_TASKS, ProjectPlan};

pub(super) struct Excerpt<'a> {
    graph: &'a Graph,
    critical: HashSet<usize>,
    critical_edges: HashSet<(usize, usize)>,
    /// Positions in the graph, ascending.
    pub(super) nodes: BTreeSet<usize>,
    /// In the order of the graph.
    pub(super) edges: Vec<IndexedEdge>,
    pub(super) omitted_tasks: usize,
    pub(super) omitted_edges: usize,
}

impl<'a> Excerpt<'a> {
    /// The nodes that are nearest to the first.
    pub(super) fn around_first(graph: &'a Graph) -> Self {
        Self::of(graph, &[], &by_distance(graph))
    }

    /// The nodes in focus with the least slack, and of these the earliest.
    pub(super) fn of_plan(plan: &'a ProjectPlan, focus: Focus) -> Self {
        let path = &plan.schedule.critical_path;
        let critical: HashSet<usize> = path.iter().copied().collect();
        let mut order: Vec<usize> = match focus {
            Focus::Everything => (0..plan.graph.nodes.len()).collect(),
            Focus::CriticalPath => with_neighbors(&plan.graph, &critical).into_iter().collect(),
        };
        order.sort_by_key(|index| {
            let urgency = plan.schedule.times.get(*index).map(|times| (times.slack(), times.earliest_start));
            (!critical.contains(index), urgency)
        });
        Self::of(&plan.graph, path, &order)
    }

    /// The first nodes of this order, and the edges between them.
    fn of(graph: &'a Graph, critical_path: &[usize], order: &[usize]) -> Self {
        let nodes: BTreeSet<usize> = order.iter().copied().take(MAX_DIAGRAM_TASKS).collect();
        let critical_edges: HashSet<(usize, usize)> =
            critical_path.iter().skip(1).copied().zip(critical_path.iter().copied()).collect();
        let is_shown =
            |edge: &&IndexedEdge| nodes.contains(&edge.dependent) && nodes.contains(&edge.prerequisite);
        let mut edges: Vec<(usize, IndexedEdge)> =
            graph.edges.iter().filter(is_shown).copied().enumerate().collect();
        edges.sort_by_key(|(place, edge)| {
            let is_critical = critical_edges.contains(&(edge.dependent, edge.prerequisite));
            (!is_critical, weight(edge.kind), *place)
        });
        let omitted_edges = edges.len().saturating_sub(MAX_DIAGRAM_EDGES);
        edges.truncate(MAX_DIAGRAM_EDGES);
        edges.sort_by_key(|(place, _)| *place);
        Self {
            graph,
            critical: critical_path.iter().copied().collect(),
            critical_edges,
            omitted_tasks: graph.nodes.len() - nodes.len(),
            omitted_edges,
            nodes,
            edges: edges.into_iter().map(|(_, edge)| edge).collect(),
        }
    }

    /// `None` is a task that the caller may not see.
    pub(super) fn task(&self, index: usize) -> Option<&'a GraphTask> {
        self.graph.nodes.get(index).and_then(Option::as_ref)
    }

    pub(super) fn is_critical(&self, index: usize) -> bool {
        self.critical.contains(&index)
    }

    pub(super) fn is_critical_edge(&self, edge: &IndexedEdge) -> bool {
        edge.kind == DependencyType::Blocks
            && self.critical_edges.contains(&(edge.dependent, edge.prerequisite))
    }

    /// What the diagram says about the tasks that it does not show.
    pub(super) fn omission(&self) -> Option<String> {
        match self.omitted_tasks {
            0 => None,
            1 => Some("1 more task is not shown".to_owned()),
            count => Some(format!("{count} more tasks are not shown")),
        }
    }
}

/// Edges of a lower weight are drawn first.
fn weight(kind: DependencyType) -> u8 {
    match kind {
        DependencyType::SubtaskOf => 0,
        DependencyType::Blocks => 1,
        DependencyType::RelatesTo | DependencyType::Duplicates => 2,
    }
}

fn with_neighbors(graph: &Graph, nodes: &HashSet<usize>) -> BTreeSet<usize> {
    let ends = graph.edges.iter().map(|edge| [edge.dependent, edge.prerequisite]);
    let touching = ends.filter(|ends| ends.iter().any(|end| nodes.contains(end)));
    touching.flatten().chain(nodes.iter().copied()).collect()
}

/// Breadth first, in both directions. Every node of such a graph is connected to the first.
fn by_distance(graph: &Graph) -> Vec<usize> {
    let mut neighbors: HashMap<usize, Vec<usize>> = HashMap::new();
    for edge in &graph.edges {
        neighbors.entry(edge.dependent).or_default().push(edge.prerequisite);
        neighbors.entry(edge.prerequisite).or_default().push(edge.dependent);
    }
    let mut waiting: VecDeque<usize> = (0..graph.nodes.len().min(1)).collect();
    let mut found: HashSet<usize> = waiting.iter().copied().collect();
    let mut order = Vec::new();
    while let Some(node) = waiting.pop_front() {
        order.push(node);
        let next = neighbors.get(&node).into_iter().flatten().copied();
        waiting.extend(next.filter(|neighbor| found.insert(*neighbor)));
    }
    order
}
