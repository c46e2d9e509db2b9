//! How long it takes to plan 10,000 tasks with 20,000 waits: `cargo bench -p task --bench schedule`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it prints what it measures")]

use std::time::{Duration, Instant};

const TASKS: usize = 10_000;
const WAITS: usize = 20_000;
const RUNS: usize = 101;

fn main() {
    let (durations, waits) = plan();
    let mut taken: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let schedule = task::schedule::schedule(&durations, &vec![0; durations.len()], &waits).unwrap();
            assert!(schedule.finish > 0);
            start.elapsed()
        })
        .collect();
    taken.sort();
    println!(
        "{TASKS} tasks, {WAITS} waits, {RUNS} runs: fastest {:?}, median {:?}, slowest {:?}",
        taken[0],
        taken[RUNS / 2],
        taken[RUNS - 1]
    );
}

/// The same plan in every run; a task waits for tasks before it.
fn plan() -> (Vec<u64>, Vec<(usize, usize)>) {
    let mut seed = 1_u64;
    let mut roll = |sides: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % sides
    };
    let durations = (0..TASKS).map(|_| u64::try_from(1 + roll(40)).unwrap()).collect();
    let waits = (0..WAITS).map(|_| {
        let waiting = 1 + roll(TASKS - 1);
        (waiting, roll(waiting))
    });
    (durations, waits.collect())
}
