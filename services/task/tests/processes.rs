//! Processes of the service come and go under a write load.

use crate::harness::harness;
use testkit::*;

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
async fn no_call_fails_during_a_rolling_replacement() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let write = async |who: Actor, request_id| create_task(&who, &project, request_id).await;
    replace_under_load(&suite, (Service::Task, PROGRAM), &olga, "task.tasks", write).await;
}
