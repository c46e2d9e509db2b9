//! Watching under load: killed and resumed clients, and slow readers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use proto::project::v1 as project;
use proto::task::v1 as pb;
use testkit::*;

use crate::feed_replica::*;
use crate::fixtures::*;

const WRITERS: u64 = 4;
/// Most steps of a writer; it stops earlier when the reader has finished.
const STEPS: u64 = 3_000;
const KILLS: u64 = 100;

/// A pseudo-random number, the same in every run.
fn roll(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

/// Random changes of a few shared tasks and of new ones.
async fn write(
    who: &Actor,
    project: &project::Project,
    shared: &[pb::Task],
    mut seed: u64,
    is_over: &AtomicBool,
) {
    let mut own: Vec<pb::Task> = Vec::new();
    for step in 0..STEPS {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let [a, b] = [0; 2].map(|_: u64| &shared[roll(&mut seed, shared.len() as u64) as usize]);
        match roll(&mut seed, 6) {
            0 => own.push(who.task(project, "new").await),
            1 if !own.is_empty() => delete(who, &own.swap_remove(0)).await.unwrap(),
            2 => {
                let _cycle_or_known = blocks(who, a, b).await;
            }
            3 => {
                let _cycle_or_known =
                    link(who, own.last().unwrap_or(a), b, pb::DependencyType::RelatesTo).await;
            }
            _ => {
                let title = format!("{seed} {step}");
                update(who, pb::Task { title, etag: String::new(), ..a.clone() }, &["title"]).await.unwrap();
            }
        }
    }
}

/// Watches for a few messages, applies some of them, and disconnects. Keeps the token of the last applied one.
async fn watch_briefly(
    suite: &Suite,
    who: &Actor,
    project_id: &str,
    token: &mut String,
    copy: &mut Copy,
    seed: &mut u64,
) {
    let (mut stream, _) = open(suite, who, watch(project_id, token)).await.unwrap();
    for _ in 0..roll(seed, 4) {
        let message = next(&mut stream).await.unwrap().unwrap();
        if roll(seed, 4) == 0 {
            return;
        }
        message.events.into_iter().for_each(|event| copy.apply(event));
        *token = message.resume_token;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_killed_a_hundred_times_has_an_exact_copy() {
    let Team { suite, olga, vic, project, .. } = &team().await;
    let (stream, mut token) = open(suite, vic, watch(&project.id, "")).await.unwrap();
    drop(stream);
    let shared = join_all((0..6).map(|_| olga.task(project, "shared"))).await;
    let is_over = AtomicBool::new(false);
    let writers =
        join_all((0..WRITERS).map(|writer| write(olga, project, &shared, writer * 7 + 2, &is_over)));
    let mut copy = Copy::default();
    let reader = async {
        let mut seed = 11;
        for _ in 0..KILLS {
            watch_briefly(suite, vic, &project.id, &mut token, &mut copy, &mut seed).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    futures::join!(writers, reader);

    let last = olga.task(project, "last").await;
    let (mut stream, _) = open(suite, vic, watch(&project.id, &token)).await.unwrap();
    while !copy.tasks().contains_key(&last.id) {
        next(&mut stream).await.unwrap().unwrap().events.into_iter().for_each(|event| copy.apply(event));
    }
    let tasks = all_tasks(olga, &project.id).await;
    assert_eq!(copy.tasks(), tasks);
    assert_eq!(copy.dependencies(), all_dependencies(olga, tasks.keys()).await);
    assert!(copy.applied > 50 && !copy.dependencies().is_empty(), "{}", copy.applied);
}

/// More data than windows and buffers hold.
async fn write_much(suite: &Suite, project: &project::Project, who: &Actor) {
    let statement = format!(
        "INSERT INTO task.tasks (project_id, creator_id, title, description) \
         SELECT '{}', '{}', 'task ' || n, repeat(md5(n::text), 3000) FROM generate_series(1, 100) n",
        project.id, who.id
    );
    suite.execute(&statement).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_are_disconnected_and_resume() {
    let Team { suite, olga, project, .. } = &team().await;
    let (mut stream, mut token) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    write_much(suite, project, olga).await;
    // The reader sleeps for longer than the server's write timeout.
    tokio::time::sleep(shared::change_log::feed::SLOW_READER_TIMEOUT * 2).await;

    let mut titles = BTreeSet::new();
    let status = loop {
        match next(&mut stream).await {
            Ok(message) => {
                let message = message.unwrap();
                token = message.resume_token;
                titles.extend(message.events.iter().map(|e| task_of(e).after.clone().unwrap().title));
            }
            Err(status) => break status,
        }
    };
    assert_eq!(summary(&status), "RESOURCE_EXHAUSTED WATCH_TOO_SLOW");
    let missing = 100 - titles.len();
    assert!(missing > 0);
    let (mut stream, _) = open(suite, olga, watch(&project.id, &token)).await.unwrap();
    for event in events(&mut stream, missing).await {
        assert!(titles.insert(task_of(&event).after.clone().unwrap().title), "twice");
    }
    assert_eq!(titles.len(), 100);
}
