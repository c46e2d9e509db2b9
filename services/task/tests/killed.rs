//! The process is killed under a write load, as `kill -9` does: no acknowledged write is lost, none is doubled.

use suite::testing::*;

#[tokio::test]
async fn a_killed_task_service_loses_and_doubles_nothing() {
    let suite = Suite::start().await;
    let mut replica = Replica::start(&suite, env!("CARGO_BIN_EXE_task"), "task").await;
    let olga = suite.guest("olga").await.calling(Service::Task, &replica.url);
    let project = olga.project("apollo").await;
    let write = making_tasks(&olga, &project);
    survives(&suite, "task", "task.tasks", write, async || replica.kill_and_start(&suite).await).await;
}
