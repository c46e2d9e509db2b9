//! When work can begin and must end, given how long each task takes and who waits for whom: the critical path method.
//!
//! Pure: tasks are places in a list, hours are hours of work from now, and nothing else is known about them. Takes time
//! and memory in proportion to tasks and waits.

#![allow(clippy::indexing_slicing, reason = "all lists here have a place for each task")]

mod neighbours;

use neighbours::Neighbours;

/// When a task can and must happen, in hours from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How many waits lie before it on the longest way; 0 can begin at once.
    pub wave: u32,
    /// When it can begin: when the last task that it waits for can be finished.
    pub earliest_start: u64,
    /// When it can be finished.
    pub earliest_finish: u64,
    /// When it must begin so that nothing ends later than it could.
    pub latest_start: u64,
    /// When it must be finished so that nothing ends later than it could.
    pub latest_finish: u64,
}

impl Times {
    /// For how long it may be put off without putting off the end.
    pub fn slack(&self) -> u64 {
        self.latest_start - self.earliest_start
    }
}

/// When everything can and must happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// For each task, in the order given.
    pub times: Vec<Times>,
    /// When the last task can be finished.
    pub finish: u64,
    /// A longest way from the start to the finish: what must not take longer. Of several, the one whose last task comes
    /// first in the list, and so on backwards.
    pub critical_path: Vec<usize>,
}

/// The waits run in a circle, so nothing in it can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circular;

/// Plans tasks that take so many `hours`; in each of `waits`, the first task waits until the second is finished. Both
/// are places in `hours`.
///
/// # Errors
/// [`Circular`] when the waits run in a circle.
pub fn schedule(hours: &[u64], waits: &[(usize, usize)]) -> Result<Schedule, Circular> {
    let awaited = Neighbours::of(hours.len(), waits.iter().copied());
    let waiting = Neighbours::of(hours.len(), waits.iter().map(|(waiting, awaited)| (*awaited, *waiting)));
    let order = working_order(&awaited, &waiting)?;
    let mut times = vec![Times::default(); hours.len()];
    for task in &order {
        times[*task] = earliest(&times, awaited.of_task(*task), hours[*task]);
    }
    let finish = times.iter().map(|times| times.earliest_finish).max().unwrap_or_default();
    for task in order.iter().rev() {
        let starts = waiting.of_task(*task).iter().map(|next| times[*next].latest_start);
        let latest_finish = starts.min().unwrap_or(finish);
        times[*task].latest_finish = latest_finish;
        times[*task].latest_start = latest_finish - hours[*task];
    }
    let critical_path = longest_way(&times, &awaited, finish);
    Ok(Schedule { times, finish, critical_path })
}

/// An order in which each task comes behind all that it waits for (Kahn's).
fn working_order(awaited: &Neighbours, waiting: &Neighbours) -> Result<Vec<usize>, Circular> {
    let count = awaited.count();
    let mut left: Vec<usize> = (0..count).map(|task| awaited.of_task(task).len()).collect();
    let mut order: Vec<usize> = (0..count).filter(|task| left[*task] == 0).collect();
    let mut next = 0;
    while let Some(task) = order.get(next).copied() {
        next += 1;
        for later in waiting.of_task(task) {
            left[*later] -= 1;
            if left[*later] == 0 {
                order.push(*later);
            }
        }
    }
    if order.len() == count { Ok(order) } else { Err(Circular) }
}

fn earliest(times: &[Times], awaited: &[usize], hours: u64) -> Times {
    let earliest_start = awaited.iter().map(|task| times[*task].earliest_finish).max().unwrap_or_default();
    let wave = awaited.iter().map(|task| times[*task].wave + 1).max().unwrap_or_default();
    Times { wave, earliest_start, earliest_finish: earliest_start + hours, ..Times::default() }
}

/// Backwards from the finish: each task begins when the one before it is finished.
fn longest_way(times: &[Times], awaited: &Neighbours, finish: u64) -> Vec<usize> {
    let mut way = Vec::new();
    let mut at = (0..times.len()).find(|task| times[*task].earliest_finish == finish);
    while let Some(task) = at {
        way.push(task);
        let begins = times[task].earliest_start;
        at = awaited.of_task(task).iter().copied().filter(|on| times[*on].earliest_finish == begins).min();
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests;
