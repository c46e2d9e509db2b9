//! The critical path method: when work can start and must end, given the duration of each task and its prerequisites.
//!
//! Pure: tasks are indexes of a list and times are amounts of work from now. Takes time and memory linear in tasks
//! and edges.

#![allow(clippy::indexing_slicing, reason = "all lists here have a place for each task")]

mod adjacency;

use adjacency::AdjacencyList;

/// When a task can and must be worked on, from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Length of the longest path of prerequisites; 0 can start at once.
    pub wave: u32,
    /// When the last prerequisite can be finished and the task may start.
    pub earliest_start: u64,
    pub earliest_finish: u64,
    /// The latest start that does not delay the finish of the plan.
    pub latest_start: u64,
    /// The latest finish that does not delay the finish of the plan.
    pub latest_finish: u64,
}

impl Times {
    /// How long the task can be delayed without delaying the finish of the plan.
    pub fn slack(&self) -> u64 {
        self.latest_start - self.earliest_start
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Of each task, in the given order.
    pub times: Vec<Times>,
    pub finish: u64,
    /// A longest path, from now or from a task that may not start earlier: a delay of any of its tasks delays the finish. Of several, the one whose last task comes first
    /// in the list, and so on backwards.
    pub critical_path: Vec<usize>,
}

/// The dependencies form a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleError;

/// Schedules tasks with these durations, each not before the time in `waits`. In each dependency, the first task waits for
/// the second; both are indexes of `durations`.
///
/// # Errors
/// [`CycleError`] if the dependencies form a cycle.
pub fn schedule(durations: &[u64], waits: &[u64], edges: &[(usize, usize)]) -> Result<Schedule, CycleError> {
    let prerequisites = AdjacencyList::of(durations.len(), edges.iter().copied());
    let dependents = AdjacencyList::of(
        durations.len(),
        edges.iter().map(|(dependent, prerequisite)| (*prerequisite, *dependent)),
    );
    let order = topological_order(&prerequisites, &dependents)?;
    let mut times = vec![Times::default(); durations.len()];
    for task in &order {
        times[*task] = earliest(&times, prerequisites.of_task(*task), waits[*task], durations[*task]);
    }
    let finish = times.iter().map(|times| times.earliest_finish).max().unwrap_or_default();
    for task in order.iter().rev() {
        let starts = dependents.of_task(*task).iter().map(|next| times[*next].latest_start);
        let latest_finish = starts.min().unwrap_or(finish);
        times[*task].latest_finish = latest_finish;
        times[*task].latest_start = latest_finish - durations[*task];
    }
    let critical_path = find_critical_path(&times, &prerequisites, finish);
    Ok(Schedule { times, finish, critical_path })
}

/// Each task comes after all of its prerequisites (Kahn's algorithm).
fn topological_order(
    prerequisites: &AdjacencyList,
    dependents: &AdjacencyList,
) -> Result<Vec<usize>, CycleError> {
    let count = prerequisites.count();
    let mut left: Vec<usize> = (0..count).map(|task| prerequisites.of_task(task).len()).collect();
    let mut order: Vec<usize> = (0..count).filter(|task| left[*task] == 0).collect();
    let mut next = 0;
    while let Some(task) = order.get(next).copied() {
        next += 1;
        for later in dependents.of_task(task) {
            left[*later] -= 1;
            if left[*later] == 0 {
                order.push(*later);
            }
        }
    }
    if order.len() == count { Ok(order) } else { Err(CycleError) }
}

fn earliest(times: &[Times], prerequisites: &[usize], wait: u64, duration: u64) -> Times {
    let earliest_start = prerequisites.iter().map(|task| times[*task].earliest_finish).fold(wait, u64::max);
    let wave = prerequisites.iter().map(|task| times[*task].wave + 1).max().unwrap_or_default();
    Times { wave, earliest_start, earliest_finish: earliest_start + duration, ..Times::default() }
}

/// Walks back from the finish: each task starts when the one before it finishes, except one that waits for its time.
fn find_critical_path(times: &[Times], prerequisites: &AdjacencyList, finish: u64) -> Vec<usize> {
    let mut path = Vec::new();
    let mut at = (0..times.len()).find(|task| times[*task].earliest_finish == finish);
    while let Some(task) = at {
        path.push(task);
        let begins = times[task].earliest_start;
        at = prerequisites
            .of_task(task)
            .iter()
            .copied()
            .filter(|on| times[*on].earliest_finish == begins)
            .min();
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests;
