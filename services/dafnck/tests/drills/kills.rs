//! PostgreSQL and Redis are killed, as `kill -9` does: no acknowledged write is lost, none is doubled.

use crate::harness::harness;
use testkit::{Topology, kill_under_load, task_writer};

use super::{owner, start_postgres_again, wait_for_the_log};

async fn a_killed_postgresql_loses_and_doubles_nothing(topology: Topology) {
    let suite = harness().start_alone_in(topology).await;
    let (olga, project) = owner(&suite).await;
    wait_for_the_log(&suite).await;
    let kill = async || start_postgres_again(suite.servers.as_ref().unwrap()).await;
    kill_under_load(&suite, "PostgreSQL", "task.tasks", task_writer(&olga, &project), kill).await;
}

#[tokio::test]
async fn postgresql_killed_under_load_loses_and_doubles_nothing() {
    a_killed_postgresql_loses_and_doubles_nothing(Topology::from_environment()).await;
}

#[tokio::test]
async fn postgresql_killed_behind_pgbouncer_loses_and_doubles_nothing_either() {
    a_killed_postgresql_loses_and_doubles_nothing(Topology::POOLER).await;
}

#[tokio::test]
async fn redis_killed_under_load_loses_and_doubles_nothing() {
    let suite = harness().start_alone().await;
    let (olga, project) = owner(&suite).await;
    let servers = suite.servers.as_ref().unwrap();
    kill_under_load(&suite, "Redis", "task.tasks", task_writer(&olga, &project), async || {
        servers.kill_redis().await.unwrap();
        servers.start_redis().await.unwrap();
    })
    .await;
}
