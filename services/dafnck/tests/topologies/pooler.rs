//! PgBouncer in transaction mode, which tracks prepared statements.

use crate::harness::harness;
use diesel_async::SimpleAsyncConnection as _;
use futures::future::join_all;
use local_servers::suite::Role;
use testkit::{Pooling, Service, Suite, Topology, create_task, kill_under_load, new_id, task_writer};

use super::{is_at_home, journey, person, until_ready};

/// Encrypted on both sides.
const ENCRYPTED_POOLER: Topology = Topology { pooling: Pooling::PgBouncer, ..Topology::ENCRYPTED };

#[tokio::test]
async fn the_journey_through_pgbouncer_in_transaction_mode() {
    let suite = harness().start_in(Topology::POOLER).await;
    serves_more_clients_than_it_has_connections(&suite).await;
    journey::travel(&suite).await;
}

/// With a connection for as long as a client stays, the first 20 would leave none for the others.
async fn serves_more_clients_than_it_has_connections(suite: &Suite) {
    let mut clients = Vec::new();
    for _ in 0..25 {
        let mut client = suite.connect_as(Role::requests_of("task")).await;
        client.batch_execute("SELECT 1").await.unwrap();
        clients.push(client);
    }
    assert!(
        suite.count("pg_stat_activity WHERE usename = 'task_service' AND datname = current_database()").await
            <= 20
    );
}

/// Two replicas of all services on the same server connections: what one prepares must not meet what the other does.
#[tokio::test]
async fn replicas_share_the_connections_of_pgbouncer() {
    let one = harness().start_in(Topology::POOLER).await;
    let other = one.start_replica(&one.options).await;
    until_ready(&one, &one.siblings).await;
    until_ready(&one, other.siblings()).await;
    let (olga, project) = person(&one, "olga").await;
    let elsewhere = olga.calling(Service::Task, &other.siblings().task_url);
    let both = (0..20).flat_map(|_| [&olga, &elsewhere]);
    for made in join_all(both.map(|who| create_task(who, &project, new_id()))).await {
        made.unwrap();
    }
    other.stop().await;
}

async fn a_killed_pgbouncer_loses_nothing(topology: Topology) {
    let mut suite = harness().start_alone_in(topology).await;
    until_ready(&suite, &suite.siblings).await;
    let home = person(&suite, "olga").await;
    is_at_home(&home).await;
    let (olga, project) = home;
    let mut bouncer = suite.sidecars.bouncer.take().unwrap();
    let refusals =
        kill_under_load(&suite, "PgBouncer", "task.tasks", task_writer(&olga, &project), async || {
            bouncer.kill().await.unwrap();
            bouncer.start_again().await.unwrap();
        })
        .await;
    assert!(!refusals.is_empty(), "nobody noticed, so nothing was tried");
}

#[tokio::test]
async fn pgbouncer_killed_and_started_again_loses_no_session_and_no_acknowledged_write() {
    a_killed_pgbouncer_loses_nothing(Topology::POOLER).await;
}

#[tokio::test]
async fn an_encrypted_pgbouncer_killed_and_started_again_loses_nothing_either() {
    a_killed_pgbouncer_loses_nothing(ENCRYPTED_POOLER).await;
}
