//! An adjacency list in two flat vectors.

/// The neighbours of each task.
pub(super) struct AdjacencyList {
    /// Index in `all` where the neighbours of each task start, and the end.
    starts: Vec<usize>,
    all: Vec<usize>,
}

impl AdjacencyList {
    /// The neighbours along edges between `count` tasks. A repeated edge counts twice.
    pub(super) fn of(count: usize, edges: impl Iterator<Item = (usize, usize)> + Clone) -> Self {
        let mut starts = vec![0; count + 1];
        for (from, _) in edges.clone() {
            starts[from + 1] += 1;
        }
        for task in 0..count {
            starts[task + 1] += starts[task];
        }
        let mut next = starts.clone();
        let mut all = vec![0; starts[count]];
        for (from, to) in edges {
            all[next[from]] = to;
            next[from] += 1;
        }
        Self { starts, all }
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn of_task(&self, task: usize) -> &[usize] {
        &self.all[self.starts[task]..self.starts[task + 1]]
    }
}
