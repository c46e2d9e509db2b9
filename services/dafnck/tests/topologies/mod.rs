//! One journey through the whole suite, in every topology that the suite can have.

mod cluster;
mod databases;
mod encrypted_servers;
mod encryption;
mod journey;
pub mod moving;
mod pooler;

use crate::harness::harness;
use std::time::Duration;

use dafnck::health;
pub use journey::until_refused;
use proto::content::v1::{DocumentFilter, ListDocumentsRequest};
use proto::project::v1::{ListProjectsRequest, Project};
use proto::task::v1::{ListTasksRequest, TaskFilter};
use shared::config::SiblingOptions;
use testkit::{Actor, Suite, Topology, until};

pub const ENCRYPTED: Topology = Topology::ENCRYPTED;
/// How long services may take until they are ready, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until all services are ready: where much is asked at once, nothing should still be connecting.
async fn until_ready(suite: &Suite, siblings: &SiblingOptions) {
    let authority = suite.options.certificates.as_ref().map(|directory| directory.join("ca.pem"));
    until("all services are ready", START_TIMEOUT, async || {
        health::all_ready(siblings, authority.as_deref()).await
    })
    .await;
}

/// Somebody with a project of their own.
async fn person(suite: &Suite, name: &str) -> (Actor, Project) {
    let person = suite.guest(name).await;
    let project = person.project("apollo").await;
    (person, project)
}

/// All services know their session; nothing but an answer will do.
async fn is_at_home((person, project): &(Actor, Project)) {
    person.projects().list_projects(ListProjectsRequest::default()).await.unwrap();
    let id = || project.id.clone();
    let tasks = ListTasksRequest {
        filter: Some(TaskFilter { project_ids: vec![id()], ..Default::default() }),
        ..Default::default()
    };
    person.tasks().list_tasks(tasks).await.unwrap();
    let documents = ListDocumentsRequest {
        filter: Some(DocumentFilter { project_ids: vec![id()], ..Default::default() }),
        ..Default::default()
    };
    person.documents().list_documents(documents).await.unwrap();
}

/// Puts a suite together in this topology and goes the whole way.
async fn travel_in(topology: Topology) {
    journey::travel(&harness().start_in(topology).await).await;
}

#[test]
fn a_form_has_a_name() {
    assert_eq!(Topology::named("production"), Topology::PRODUCTION);
}

#[test]
#[should_panic(
    expected = r#"DAFNCK_TEST_TOPOLOGY is "tow", which is none of: one, four, pooler, cluster, encrypted, production"#
)]
fn an_unknown_name_of_a_form_is_told() {
    Topology::named("tow");
}

#[tokio::test]
async fn the_journey_in_the_plain_form() {
    travel_in(Topology::PLAIN).await;
}

#[tokio::test]
async fn the_journey_in_the_form_of_production() {
    travel_in(Topology::PRODUCTION).await;
}
