//! Processes of the service come and go under a write load.

use std::collections::HashSet;

use crate::harness::harness;
use futures::future::join_all;
use futures::join;
use proto::project::v1::Project;
use testkit::*;

use crate::fixtures::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_task");

#[tokio::test]
async fn a_killed_task_service_loses_and_duplicates_nothing() {
    let suite = harness().start().await;
    let mut replica = ServiceProcess::start(&suite, PROGRAM, "task").await;
    let olga = suite.guest("olga").await.calling(Service::Task, &replica.url);
    let project = olga.project("apollo").await;
    let write = task_writer(&olga, &project);
    kill_under_load(&suite, "task", "task.tasks", write, async || replica.kill_and_restart(&suite).await)
        .await;
}

#[tokio::test]
async fn no_call_fails_while_every_process_is_replaced() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let write = async |who: Actor, request_id| create_task(&who, &project, request_id).await;
    replace_under_load(&suite, (Service::Task, PROGRAM), &olga, "task.tasks", write).await;
}

#[tokio::test]
async fn two_processes_give_no_number_twice_although_one_is_killed() {
    let suite = harness().start().await;
    let mut replica = ServiceProcess::start(&suite, PROGRAM, "task").await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let there = olga.calling(Service::Task, &replica.url);
    let created = || async {
        let here = join_all((0..4).map(|_| numbers_of_creates(&olga, &project)));
        let there = join_all((0..4).map(|_| numbers_of_creates(&there, &project)));
        join!(here, there)
    };
    let ((mut numbers, killed), ()) = join!(created(), replica.kill_and_restart(&suite));
    // All calls of the other process succeed.
    assert!(numbers.iter().all(|numbers| numbers.len() == CREATES), "{numbers:?}");
    numbers.extend(killed);
    let (again, restarted) = created().await;
    assert!(again.iter().chain(&restarted).all(|numbers| numbers.len() == CREATES));
    numbers.extend(again);
    numbers.extend(restarted);
    assert!(numbers.iter().all(|numbers| numbers.is_sorted()), "in the order of the calls: {numbers:?}");
    let all: Vec<i64> = numbers.into_iter().flatten().collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
}

const CREATES: usize = 12;

/// Creates tasks one after the other, deletes every second one, and returns the numbers of those that were created.
async fn numbers_of_creates(who: &Actor, project: &Project) -> Vec<i64> {
    let mut numbers = Vec::new();
    for turn in 0..CREATES {
        let Ok(task) = create(who, new_task(project, "x")).await else { continue };
        numbers.push(task.number);
        if turn % 2 == 1 {
            let _may_be_killed = delete(who, &task).await;
        }
    }
    numbers
}
