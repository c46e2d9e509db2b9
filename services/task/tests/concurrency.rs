//! Many writers at once: what waits for what never forms a cycle.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::future::join_all;
use shared::proto::task::v1 as pb;
use shared::schema::DependencyType;
use shared::schema::task::{task_dependencies, tasks};
use suite::testing::*;
use uuid::Uuid;

use crate::people::*;

const WRITERS: u64 = 16;
const STEPS: u64 = 12;
const TASKS: u64 = 14;

/// A number that looks random and is the same in every run.
fn roll(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

/// Who waits for whom, read past all policies.
async fn waits(suite: &Suite) -> Vec<(Uuid, Uuid)> {
    let mut admin = suite.admin().await;
    let links: Vec<(Uuid, Uuid, DependencyType)> = task_dependencies::table
        .select((
            task_dependencies::task_id,
            task_dependencies::depends_on_task_id,
            task_dependencies::dependency_type,
        ))
        .load(&mut admin)
        .await
        .unwrap();
    let parents: Vec<(Option<Uuid>, Uuid)> =
        tasks::table.select((tasks::parent_task_id, tasks::id)).load(&mut admin).await.unwrap();
    let links = links.into_iter().filter_map(|(task, on, kind)| match kind {
        DependencyType::Blocks => Some((task, on)),
        DependencyType::SubtaskOf => Some((on, task)),
        DependencyType::RelatesTo | DependencyType::Duplicates => None,
    });
    links.chain(parents.into_iter().filter_map(|(parent, task)| Some((parent?, task)))).collect()
}

/// Takes away, again and again, those who wait for nobody; what is left waits in a circle.
fn has_cycle(waits: &[(Uuid, Uuid)]) -> bool {
    let mut left: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
    for (waiting, awaited) in waits {
        left.entry(*waiting).or_default().insert(*awaited);
    }
    loop {
        let before = left.len();
        let waiting: HashSet<Uuid> = left.keys().copied().collect();
        left.retain(|_, awaited| awaited.iter().any(|task| waiting.contains(task)));
        if left.len() == before {
            return before > 0;
        }
    }
}

/// One random change of the graph; tells how it was answered.
async fn change(who: &Actor, tasks: &[pb::Task], seed: &mut u64) -> String {
    let [a, b] = [0, 0].map(|_: i32| &tasks[usize::try_from(roll(seed, TASKS)).unwrap()]);
    let outcome = match roll(seed, 4) {
        0 => {
            let below = pb::Task { parent_task_id: Some(b.id.clone()), etag: String::new(), ..a.clone() };
            update(who, below, &["parent_task_id"]).await.err()
        }
        1 => link(who, a, b, pb::DependencyType::SubtaskOf).await.err(),
        2 => {
            let completed = complete(who, a).await.err();
            let open = pb::Task { status: 1, etag: String::new(), ..a.clone() };
            completed.or(update(who, open, &["status"]).await.err())
        }
        _ => blocks(who, a, b).await.err(),
    };
    outcome.map_or_else(|| "OK".to_owned(), |refusal| summary(&refusal))
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_writers_never_close_a_cycle() {
    let Team { suite, olga, project, .. } = &team().await;
    let tasks = join_all((0..TASKS).map(|_| olga.task(project, "x"))).await;
    let writers = (0..WRITERS).map(|writer| {
        let tasks = &tasks;
        async move {
            let (mut seed, mut answers) = (writer + 1, Vec::new());
            for _ in 0..STEPS {
                answers.push(change(olga, tasks, &mut seed).await);
            }
            answers
        }
    });
    let answers: HashSet<String> = join_all(writers).await.into_iter().flatten().collect();

    let documented = [
        "OK",
        "ALREADY_EXISTS ALREADY_EXISTS",
        "INVALID_ARGUMENT INVALID_FIELDS",
        "FAILED_PRECONDITION DEPENDENCY_CYCLE",
        "FAILED_PRECONDITION TASK_BLOCKED",
        "FAILED_PRECONDITION STATUS_FORBIDS",
    ];
    let others: Vec<_> = answers.iter().filter(|answer| !documented.contains(&answer.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(answers.contains("OK") && answers.contains("FAILED_PRECONDITION DEPENDENCY_CYCLE"));
    let waits = waits(suite).await;
    assert!(!waits.is_empty() && !has_cycle(&waits), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_opposite_links_at_once_one_wins() {
    let Team { olga, project, .. } = &team().await;
    for _ in 0..10 {
        let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
        let (there, back) = futures::join!(blocks(olga, &a, &b), blocks(olga, &b, &a));
        let refusal = match (there, back) {
            (Ok(_), Err(refusal)) | (Err(refusal), Ok(_)) => refusal,
            both => panic!("{both:?}"),
        };
        assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_of_one_version_one_wins() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "a").await;
    let changes = (0..8).map(|_| update(olga, task.clone(), &["title"]));
    let outcomes = join_all(changes).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refusal in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
    }
}

#[test]
fn the_checker_tells_circles_from_chains() {
    let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
    assert!(!has_cycle(&[(a, b), (b, c), (a, c)]));
    assert!(has_cycle(&[(a, b), (b, c), (c, a)]));
}
