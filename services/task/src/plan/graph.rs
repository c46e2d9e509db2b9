//! Nodes and edges, with a node for each task that is hidden.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Edge, Link, TaskInGraph};

/// Tasks and the edges between them. `None` stands for a task that the caller may not see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Option<TaskInGraph>>,
    pub(crate) links: Vec<Link>,
}

impl Graph {
    /// The tasks in their order, then one hidden node for each end of an edge that is not among them.
    pub(crate) fn of(tasks: Vec<TaskInGraph>, edges: &[Edge]) -> Self {
        let mut places: HashMap<Uuid, usize> =
            tasks.iter().enumerate().map(|(place, task)| (task.id, place)).collect();
        let mut nodes: Vec<Option<TaskInGraph>> = tasks.into_iter().map(Some).collect();
        let mut place_of = |id: Uuid| {
            *places.entry(id).or_insert_with(|| {
                nodes.push(None);
                nodes.len() - 1
            })
        };
        let links = edges.iter().map(|edge| Link {
            waiting: place_of(edge.waiting),
            awaited: place_of(edge.awaited),
            kind: edge.kind,
        });
        let links = links.collect();
        Self { nodes, links }
    }
}

/// The ends of edges that are not among these tasks, each once.
pub(super) fn other_ends(tasks: &[TaskInGraph], edges: &[Edge]) -> Vec<Uuid> {
    let known: std::collections::HashSet<Uuid> = tasks.iter().map(|task| task.id).collect();
    let ends: std::collections::BTreeSet<Uuid> =
        edges.iter().flat_map(|edge| [edge.waiting, edge.awaited]).filter(|id| !known.contains(id)).collect();
    ends.into_iter().collect()
}
