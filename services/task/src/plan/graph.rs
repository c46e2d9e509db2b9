//! A graph with a node for each task, hidden ones included.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Edge, GraphTask, IndexedEdge};

/// `None` is a task that the caller may not see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Option<GraphTask>>,
    pub(crate) edges: Vec<IndexedEdge>,
}

impl Graph {
    /// The tasks in their order, then a hidden node for each other task of an edge.
    pub(crate) fn of(tasks: Vec<GraphTask>, edges: &[Edge]) -> Self {
        let mut indexes: HashMap<Uuid, usize> =
            tasks.iter().enumerate().map(|(index, task)| (task.id, index)).collect();
        let mut nodes: Vec<Option<GraphTask>> = tasks.into_iter().map(Some).collect();
        let mut index_of = |id: Uuid| {
            *indexes.entry(id).or_insert_with(|| {
                nodes.push(None);
                nodes.len() - 1
            })
        };
        let edges = edges.iter().map(|edge| IndexedEdge {
            dependent: index_of(edge.dependent),
            prerequisite: index_of(edge.prerequisite),
            kind: edge.kind,
        });
        let edges = edges.collect();
        Self { nodes, edges }
    }
}

/// The tasks of edges that are not among `tasks`, each once.
pub(super) fn other_ends(tasks: &[GraphTask], edges: &[Edge]) -> Vec<Uuid> {
    let known: std::collections::HashSet<Uuid> = tasks.iter().map(|task| task.id).collect();
    let ends: std::collections::BTreeSet<Uuid> = edges
        .iter()
        .flat_map(|edge| [edge.dependent, edge.prerequisite])
        .filter(|id| !known.contains(id))
        .collect();
    ends.into_iter().collect()
}
