//! A Redis Cluster of three masters with a replica each.

use futures::future::join_all;
use shared::proto::content::v1::ListDocumentsRequest;
use shared::proto::identity::v1::LogoutRequest;
use shared::proto::project::v1::{ListProjectsRequest, Project};
use shared::proto::task::v1::ListTasksRequest;
use suite::services;
use suite::testing::{Actor, Form, RedisForm, Service, Suite};

use super::journey::until_refused;
use super::{travel_in, writers};

const ON_A_CLUSTER: Form = Form { redis: RedisForm::Cluster, ..PLAIN };
const ENCRYPTED: Form = Form { redis: RedisForm::Cluster, ..super::ENCRYPTED };
const PLAIN: Form = Form {
    databases: services::DatabaseForm::One,
    through: suite::testing::Through::Directly,
    redis: RedisForm::One,
    encryption: suite::testing::Encryption::Off,
};
/// So many that every master has some of their sessions.
const PEOPLE: usize = 24;

#[tokio::test]
async fn the_journey_on_a_redis_cluster() {
    travel_in(ON_A_CLUSTER).await;
}

#[tokio::test]
async fn the_journey_on_an_encrypted_redis_cluster() {
    travel_in(ENCRYPTED).await;
}

/// Somebody with a project of their own.
async fn person(suite: &Suite, number: usize) -> (Actor, Project) {
    let person = suite.guest(&format!("person{number}")).await;
    let project = person.project("apollo").await;
    (person, project)
}

/// Nothing but an answer will do.
async fn is_at_home((person, project): &(Actor, Project)) {
    person.projects().list_projects(ListProjectsRequest::default()).await.unwrap();
    let id = || project.id.clone();
    let tasks = ListTasksRequest { project_id: id(), ..Default::default() };
    person.tasks().list_tasks(tasks).await.unwrap();
    let documents = ListDocumentsRequest { project_id: id(), ..Default::default() };
    person.documents().list_documents(documents).await.unwrap();
}

async fn leave((person, _): &(Actor, Project)) {
    person.auth().logout(LogoutRequest {}).await.unwrap();
}

/// At a replica of the task service that has just started and so remembers nobody.
async fn is_out(replica: &str, (person, project): &(Actor, Project)) {
    let person = person.calling(Service::Task, replica);
    until_refused("a left session", "UNAUTHENTICATED SESSION_INVALID", async || {
        let tasks = ListTasksRequest { project_id: project.id.clone(), ..Default::default() };
        person.tasks().list_tasks(tasks).await
    })
    .await;
}

#[tokio::test]
async fn a_killed_master_logs_nobody_out_and_brings_no_session_back() {
    let mut suite = Suite::start_in(ON_A_CLUSTER).await;
    let mut cluster = suite.surroundings.cluster.take().unwrap();
    let people = join_all((0..PEOPLE).map(|number| person(&suite, number))).await;
    join_all(people.iter().map(is_at_home)).await;
    let (leaving, staying) = people.split_at(PEOPLE / 2);
    let (before, during) = leaving.split_at(PEOPLE / 4);
    let (olga, project) = writers::owner(&suite).await;
    let writing = writers::Writing::default();
    let failover = async {
        writing.go_on_for(20).await;
        // What a master has acknowledged its replica may not know yet.
        join_all(before.iter().map(leave)).await;
        cluster.kill_a_master().await.unwrap();
        join_all(during.iter().map(leave)).await;
        join_all(staying.iter().map(is_at_home)).await;
        cluster.has_failed_over().await.unwrap();
        join_all(staying.iter().map(is_at_home)).await;
        let replica = services::start(&suite.options, services::listen([0; 4]).await.unwrap()).unwrap();
        let task_url = replica.siblings.task_url.clone();
        join_all(leaving.iter().map(|left| is_out(&task_url, left))).await;
        writing.go_on_for(20).await;
        writing.end();
        replica.stop().await.unwrap();
    };
    let (refusals, ()) = tokio::join!(writers::write(&writing, &olga, &project), failover);
    assert_eq!(refusals, 0, "sessions come from identity while Redis does not tell");
}
