//! PostgreSQL and Redis are killed, as `kill -9` does: no acknowledged write is lost, none is doubled.

use suite::testing::{Suite, making_tasks, survives};

use super::{owner, start_postgres_again, wait_for_the_log};

#[tokio::test]
async fn postgresql_killed_under_load_loses_and_doubles_nothing() {
    let suite = Suite::start_alone().await;
    let (olga, project) = owner(&suite).await;
    wait_for_the_log(&suite).await;
    let kill = async || start_postgres_again(suite.servers.as_ref().unwrap()).await;
    survives(&suite, "PostgreSQL", "task.tasks", making_tasks(&olga, &project), kill).await;
}

#[tokio::test]
async fn redis_killed_under_load_loses_and_doubles_nothing() {
    let suite = Suite::start_alone().await;
    let (olga, project) = owner(&suite).await;
    let servers = suite.servers.as_ref().unwrap();
    survives(&suite, "Redis", "task.tasks", making_tasks(&olga, &project), async || {
        servers.kill_redis().await.unwrap();
        servers.start_redis().await.unwrap();
    })
    .await;
}
