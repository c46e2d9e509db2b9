//! PgBouncer in transaction mode: of a version that knows nothing of prepared statements, and of one that follows them.

use diesel_async::SimpleAsyncConnection as _;
use suite::services::{DatabaseForm, Role};
use suite::testing::{Encryption, Form, RedisForm, Suite, Through};

use super::{journey, until_ready, writers};

const THROUGH_PGBOUNCER: Form = Form {
    databases: DatabaseForm::One,
    through: Through::PgBouncer,
    redis: RedisForm::One,
    encryption: Encryption::Off,
};

#[tokio::test]
async fn the_journey_through_pgbouncer_in_transaction_mode() {
    let suite = Suite::start_in(THROUGH_PGBOUNCER).await;
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

/// As `docker-compose.yml` has it, and encrypted on both sides.
#[tokio::test]
async fn the_journey_through_a_pgbouncer_that_follows_prepared_statements() {
    let form = Form { through: Through::PreparingPgBouncer, ..super::encryption::ENCRYPTED };
    let suite = Suite::start_alone_in(form).await;
    serves_more_clients_than_it_has_connections(&suite).await;
    journey::travel(&suite).await;
}

/// Two replicas of all services on the same server connections: what one prepares must not meet what the other does.
#[tokio::test]
async fn replicas_share_the_connections_of_pgbouncer() {
    let one = Suite::start_in(THROUGH_PGBOUNCER).await;
    let other = suite::services::start(&one.options, suite::services::listen([0; 4]).await.unwrap()).unwrap();
    until_ready(&one, &one.siblings).await;
    until_ready(&one, &other.siblings).await;
    let (olga, project) = writers::owner(&one).await;
    let elsewhere = olga.calling(suite::testing::Service::Task, &other.siblings.task_url);
    let both = futures::future::join(
        futures::future::join_all((0..20).map(|n| create(&olga, &project.id, n))),
        futures::future::join_all((20..40).map(|n| create(&elsewhere, &project.id, n))),
    );
    both.await;
    other.stop().await.unwrap();
}

async fn create(who: &suite::testing::Actor, project_id: &str, n: usize) {
    let request = shared::proto::task::v1::CreateTaskRequest {
        request_id: suite::testing::new_id(),
        project_id: project_id.to_owned(),
        title: format!("task {n}"),
        ..Default::default()
    };
    who.tasks().create_task(request).await.unwrap();
}

#[tokio::test]
async fn pgbouncer_killed_and_started_again_loses_no_session_and_no_acknowledged_write() {
    let mut suite = Suite::start_in(THROUGH_PGBOUNCER).await;
    let (olga, project) = writers::owner(&suite).await;
    let mut bouncer = suite.surroundings.bouncer.take().unwrap();
    let writing = writers::Writing::default();
    let restarts = async {
        for _ in 0..2 {
            writing.go_on_for(20).await;
            bouncer.kill().await.unwrap();
            bouncer.start_again().await.unwrap();
        }
        writing.go_on_for(20).await;
        writing.end();
    };
    let (refusals, ()) = tokio::join!(writers::write(&writing, &olga, &project), restarts);
    assert!(refusals > 0, "nobody noticed, so nothing was tried");
}
