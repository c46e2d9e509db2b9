//! A Redis Cluster of three masters with a replica each.

use crate::harness::harness;
use std::collections::BTreeMap;
use std::time::Instant;

use futures::future::join_all;
use proto::identity::v1::LogoutRequest;
use proto::project::v1::{ListProjectsRequest, Project};
use proto::task::v1::{ListTasksRequest, TaskFilter};
use testkit::{Actor, RedisTopology, Service, Suite, Topology, WriteLoad, task_writer, until_ok};

use super::journey::until_refused;
use super::{START_TIMEOUT, is_at_home, person, travel_in, until_ready};

const ENCRYPTED: Topology = Topology { redis: RedisTopology::Cluster, ..Topology::ENCRYPTED };
/// So many that every master has some of their sessions.
const PEOPLE: usize = 24;
/// Writes before and after a master is killed, at least.
const BETWEEN: usize = 20;

#[tokio::test]
async fn the_journey_on_a_redis_cluster() {
    travel_in(Topology::CLUSTER).await;
}

#[tokio::test]
async fn the_journey_on_an_encrypted_redis_cluster() {
    travel_in(ENCRYPTED).await;
}

async fn leave((person, _): &(Actor, Project)) {
    person.auth().logout(LogoutRequest {}).await.unwrap();
}

/// At a replica of the task service that has just started and so remembers nobody.
async fn is_out(replica: &str, (person, project): &(Actor, Project)) {
    let person = person.calling(Service::Task, replica);
    until_refused("a left session", "UNAUTHENTICATED SESSION_INVALID", async || {
        let tasks = ListTasksRequest {
            filter: Some(TaskFilter { project_ids: vec![project.id.clone()], ..Default::default() }),
            ..Default::default()
        };
        person.tasks().list_tasks(tasks).await
    })
    .await;
}

/// The first connections take a while: each is one to every node, and encrypted where all is.
async fn until_served(suite: &Suite) {
    until_ready(suite, &suite.siblings).await;
    let first = suite.guest("first").await;
    until_ok("calls are served", START_TIMEOUT, async || {
        first.projects().list_projects(ListProjectsRequest::default()).await
    })
    .await;
}

async fn a_killed_master_is_noticed_by_nobody(topology: Topology) {
    let mut suite = harness().start_alone_in(topology).await;
    until_served(&suite).await;
    let mut cluster = suite.sidecars.cluster.take().unwrap();
    let writer = person(&suite, "olga").await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(person(&suite, &format!("person{number}")).await);
    }
    join_all(people.iter().chain([&writer]).map(is_at_home)).await;
    let (leaving, staying) = people.split_at(PEOPLE / 2);
    let (before, during) = leaving.split_at(PEOPLE / 4);
    let load = WriteLoad::new(task_writer(&writer.0, &writer.1));
    let failover = async {
        load.wait_for_writes(BETWEEN).await;
        // What a master has acknowledged its replica may not know yet.
        join_all(before.iter().map(leave)).await;
        cluster.kill_a_master().await.unwrap();
        let killed = Instant::now();
        load.wait_for_writes(1).await;
        println!("a Redis master was killed; the next write was acknowledged after {:?}", killed.elapsed());
        join_all(during.iter().map(leave)).await;
        join_all(staying.iter().map(is_at_home)).await;
        cluster.has_failed_over().await.unwrap();
        println!("all nodes knew its successor after {:?}", killed.elapsed());
        join_all(staying.iter().map(is_at_home)).await;
        let replica = suite.start_replica(&suite.options).await;
        let task_url = replica.siblings().task_url.clone();
        join_all(leaving.iter().map(|left| is_out(&task_url, left))).await;
        load.wait_for_writes(BETWEEN).await;
        load.stop();
        replica.stop().await;
    };
    tokio::join!(load.run(), failover);
    let refusals = load.verify(&suite, "task.tasks").await;
    assert_eq!(refusals, BTreeMap::new(), "sessions come from identity while Redis does not tell");
}

#[tokio::test]
async fn a_killed_master_logs_nobody_out_and_brings_no_session_back() {
    a_killed_master_is_noticed_by_nobody(Topology::CLUSTER).await;
}

#[tokio::test]
async fn a_killed_master_logs_nobody_out_and_brings_no_session_back_where_all_is_encrypted() {
    a_killed_master_is_noticed_by_nobody(ENCRYPTED).await;
}
