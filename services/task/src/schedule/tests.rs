//! Compares the schedule with one that enumerates all paths.

use super::*;
use proptest::prelude::*;

/// Small plans without a cycle: a task waits only for tasks with smaller numbers, then the numbers are shuffled.
fn plan() -> impl Strategy<Value = (Vec<u64>, Vec<(usize, usize)>)> {
    (1..9_usize)
        .prop_flat_map(|count| {
            let durations = proptest::collection::vec(0..20_u64, count);
            let edges = proptest::collection::vec((0..count, 0..count), 0..16);
            let names = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
            (durations, edges, names)
        })
        .prop_map(|(durations, edges, names)| {
            let waits = edges.into_iter().filter(|(a, b)| a != b);
            let waits = waits.map(|(a, b)| (names[a.max(b)], names[a.min(b)])).collect();
            (durations, waits)
        })
}

/// All paths from `from` along `next`, `from` included.
fn ways(from: usize, next: &dyn Fn(usize) -> Vec<usize>) -> Vec<Vec<usize>> {
    let mut found = vec![vec![from]];
    for task in next(from) {
        found.extend(ways(task, next).into_iter().map(|way| [vec![from], way].concat()));
    }
    found
}

fn longest(durations: &[u64], ways: &[Vec<usize>]) -> u64 {
    ways.iter().map(|way| way.iter().map(|task| durations[*task]).sum()).max().unwrap_or_default()
}

proptest! {
    #[test]
    fn schedule_agrees_with_path_enumeration((durations, waits) in plan()) {
        let awaited = |task| waits.iter().filter(|(a, _)| *a == task).map(|(_, b)| *b).collect::<Vec<_>>();
        let waiting = |task| waits.iter().filter(|(_, b)| *b == task).map(|(a, _)| *a).collect::<Vec<_>>();
        let found = schedule(&durations, &vec![0; durations.len()], &waits).unwrap();
        let all: Vec<_> = (0..durations.len()).flat_map(|task| ways(task, &awaited)).collect();
        prop_assert_eq!(found.finish, longest(&durations, &all));
        for task in 0..durations.len() {
            let before = ways(task, &awaited);
            let after = ways(task, &waiting);
            let times = found.times[task];
            prop_assert_eq!(times.earliest_finish, longest(&durations, &before));
            prop_assert_eq!(times.earliest_finish - times.earliest_start, durations[task]);
            prop_assert_eq!(times.latest_start, found.finish - longest(&durations, &after));
            prop_assert_eq!(times.latest_finish - times.latest_start, durations[task]);
            prop_assert_eq!(times.wave as usize, before.iter().map(Vec::len).max().unwrap() - 1);
        }
    }

    #[test]
    fn the_critical_path_is_a_longest_path_without_slack((durations, waits) in plan()) {
        let found = schedule(&durations, &vec![0; durations.len()], &waits).unwrap();
        let total: u64 = found.critical_path.iter().map(|task| durations[*task]).sum();
        prop_assert_eq!(total, found.finish);
        prop_assert!(found.critical_path.iter().all(|task| found.times[*task].slack() == 0));
        for pair in found.critical_path.windows(2) {
            prop_assert!(waits.contains(&(pair[1], pair[0])));
        }
    }

    /// A task that may not start before a time is like one that waits for a further task of that length.
    #[test]
    fn a_wait_is_like_a_prerequisite_of_its_length(
        ((durations, edges), waits) in plan().prop_flat_map(|plan| {
            let waits = proptest::collection::vec(0..40_u64, plan.0.len());
            (Just(plan), waits)
        })
    ) {
        let count = durations.len();
        let found = schedule(&durations, &waits, &edges).unwrap();
        let with_others = [durations, waits].concat();
        let further = (0..count).map(|task| (task, count + task));
        let edges: Vec<_> = edges.into_iter().chain(further).collect();
        let expected = schedule(&with_others, &vec![0; 2 * count], &edges).unwrap();
        let finish = expected.times.iter().take(count).map(|times| times.earliest_finish).max();
        prop_assert_eq!(Some(found.finish), finish);
        for (times, expected) in found.times.iter().zip(&expected.times) {
            prop_assert_eq!(times.earliest_start, expected.earliest_start);
            prop_assert_eq!(times.latest_finish, expected.latest_finish);
            prop_assert!(times.earliest_start <= times.latest_start);
        }
        let last = found.critical_path.last().map(|task| found.times[*task].earliest_finish);
        prop_assert_eq!(last, Some(found.finish));
        prop_assert!(found.critical_path.iter().all(|task| found.times[*task].slack() == 0));
    }

    #[test]
    fn a_delay_moves_the_finish_by_what_exceeds_the_slack((durations, waits) in plan(), extra in 0..30_u64) {
        let found = schedule(&durations, &vec![0; durations.len()], &waits).unwrap();
        for task in 0..durations.len() {
            let mut longer = durations.clone();
            longer[task] += extra;
            let slipped = schedule(&longer, &vec![0; longer.len()], &waits).unwrap();
            let excess = extra.saturating_sub(found.times[task].slack());
            prop_assert_eq!(slipped.finish, found.finish + excess);
        }
    }
}

#[test]
fn cycles_are_refused_and_an_empty_plan_is_empty() {
    assert_eq!(schedule(&[1, 1, 1], &[0; 3], &[(0, 1), (1, 2), (2, 0)]), Err(CycleError));
    assert_eq!(schedule(&[1], &[0], &[(0, 0)]), Err(CycleError));
    assert_eq!(schedule(&[], &[], &[]), Ok(Schedule::default()));
}
