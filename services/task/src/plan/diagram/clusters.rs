//! Clusters: a parent and its subtasks stand together.

use std::collections::{BTreeMap, HashMap};

use crate::schema::DependencyType;

use super::excerpt::Excerpt;
use crate::plan::IndexedEdge;

#[derive(Default)]
pub(super) struct Clusters {
    parents: HashMap<usize, usize>,
    subtasks: BTreeMap<usize, Vec<usize>>,
}

/// What a diagram writes when it walks through the clusters.
pub(super) enum Step {
    /// A cluster begins; the first node in it is its parent.
    Begin(usize),
    Node(usize),
    End,
}

impl Clusters {
    /// A subtask of several parents stands in the cluster of the first.
    pub(super) fn of(excerpt: &Excerpt<'_>) -> Self {
        let mut clusters = Self::default();
        for edge in excerpt.edges.iter().filter(|edge| edge.kind == DependencyType::SubtaskOf) {
            if clusters.parents.contains_key(&edge.prerequisite) {
                continue;
            }
            clusters.parents.insert(edge.prerequisite, edge.dependent);
            clusters.subtasks.entry(edge.dependent).or_default().push(edge.prerequisite);
        }
        clusters
    }

    /// Whether the cluster shows what this edge says.
    pub(super) fn shows(&self, edge: &IndexedEdge) -> bool {
        edge.kind == DependencyType::SubtaskOf
            && self.parents.get(&edge.prerequisite) == Some(&edge.dependent)
    }

    /// The nodes in their order, each subtask in the cluster of its parent, with the depth of each step.
    pub(super) fn walk(&self, excerpt: &Excerpt<'_>) -> Vec<(usize, Step)> {
        let mut steps = Vec::new();
        let roots = excerpt.nodes.iter().copied().filter(|node| !self.parents.contains_key(node));
        for root in roots {
            self.walk_from(root, 0, &mut steps);
        }
        steps
    }

    /// The depth is bounded: what has parts is acyclic, and a diagram has few nodes.
    fn walk_from(&self, node: usize, depth: usize, steps: &mut Vec<(usize, Step)>) {
        let Some(subtasks) = self.subtasks.get(&node) else {
            steps.push((depth, Step::Node(node)));
            return;
        };
        steps.push((depth, Step::Begin(node)));
        steps.push((depth + 1, Step::Node(node)));
        for subtask in subtasks {
            self.walk_from(*subtask, depth + 1, steps);
        }
        steps.push((depth, Step::End));
    }
}
