//! Many writers at once: what waits for what never forms a cycle.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::future::join_all;
use shared::proto::task::v1 as pb;
use shared::schema::task::{task_dependencies, tasks};
use shared::schema::{DependencyType, TaskStatus};
use suite::testing::*;
use uuid::Uuid;

use crate::people::*;

const WRITERS: u64 = 32;
/// So many of them are in the database at once.
const CONNECTIONS: u32 = 10;
const STEPS: u64 = 10;
const TASKS: u64 = 20;

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

/// The tasks whose status is not what their dependencies make it, read past all policies.
async fn wrongly_blocked(suite: &Suite) -> Vec<(Uuid, TaskStatus)> {
    let mut admin = suite.admin().await;
    let all: Vec<(Uuid, TaskStatus, bool)> =
        tasks::table.select((tasks::id, tasks::status, tasks::held)).load(&mut admin).await.unwrap();
    let links: Vec<(Uuid, Uuid)> = task_dependencies::table
        .filter(task_dependencies::dependency_type.eq(DependencyType::Blocks))
        .select((task_dependencies::task_id, task_dependencies::depends_on_task_id))
        .load(&mut admin)
        .await
        .unwrap();
    let is_closed = |status| matches!(status, TaskStatus::Done | TaskStatus::Cancelled);
    let open: HashSet<Uuid> = all.iter().filter(|task| !is_closed(task.1)).map(|task| task.0).collect();
    let waits = |id| links.iter().any(|(task, on)| *task == id && open.contains(on));
    let is_wrong = |(id, status, held): &(Uuid, TaskStatus, bool)| match status {
        TaskStatus::Pending => waits(*id),
        TaskStatus::Blocked => !held && !waits(*id),
        _ => false,
    };
    all.into_iter().filter(is_wrong).map(|(id, status, _)| (id, status)).collect()
}

/// One random change of the graph; tells how it was answered.
async fn change(who: &Actor, tasks: &[pb::Task], seed: &mut u64) -> String {
    let [a, b] = [0, 0].map(|_: i32| &tasks[usize::try_from(roll(seed, TASKS)).unwrap()]);
    let outcome = match roll(seed, 7) {
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
        3 => {
            let request = pb::CreateTaskRequest {
                project_id: a.project_id.clone(),
                parent_task_id: Some(a.id.clone()),
                title: "part".to_owned(),
                ..Default::default()
            };
            create(who, request).await.err()
        }
        4 => unlink_one(who, a).await.err(),
        _ => blocks(who, a, b).await.err(),
    };
    outcome.map_or_else(|| "OK".to_owned(), |refusal| summary(&refusal))
}

/// Removes what a task depends on first, if it depends on anything.
async fn unlink_one(who: &Actor, task: &pb::Task) -> Result<(), tonic::Status> {
    let request = pb::ListTaskDependenciesRequest { task_id: task.id.clone(), ..Default::default() };
    let found = who.dependencies().list_task_dependencies(request).await?.into_inner().dependencies;
    let Some(first) = found.into_iter().next() else { return Ok(()) };
    let request = pb::DeleteTaskDependencyRequest { dependency_id: first.id };
    who.dependencies().delete_task_dependency(request).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_writers_never_close_a_cycle() {
    let suite = Suite::start_with(|options| options.database_pool_size = CONNECTIONS).await;
    let Team { suite, olga, project, .. } = &team_on(suite).await;
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        tasks.push(olga.task(project, "x").await);
    }
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
        // Of two who remove the same dependency.
        "NOT_FOUND RESOURCE_NOT_FOUND",
    ];
    let others: Vec<_> = answers.iter().filter(|answer| !documented.contains(&answer.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(answers.contains("OK") && answers.contains("FAILED_PRECONDITION DEPENDENCY_CYCLE"));
    let waits = waits(suite).await;
    assert!(!waits.is_empty() && !has_cycle(&waits), "{waits:?}");
    assert_eq!(wrongly_blocked(suite).await, []);
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
