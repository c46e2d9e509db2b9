//! Task keys and project keys.

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures::future::join_all;
use local_servers::suite::Role;
use proto::project::v1::{Project, ProjectRole, ProjectVisibility};
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::feed_replica::*;
use crate::fixtures::*;

async fn look_up(who: &Actor, key: &str) -> Result<pb::Task, Status> {
    let request = pb::LookupTaskRequest { key: key.to_owned() };
    who.tasks().lookup_task(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn tasks_are_numbered_per_project_and_found_by_key() {
    let Team { olga, vic, project, .. } = &team().await;
    let [first, second] = [olga.task(project, "a").await, olga.task(project, "b").await];
    assert_eq!((first.key.as_str(), first.number), ("APO-1", 1));
    assert_eq!((second.key.as_str(), second.number), ("APO-2", 2));
    assert_eq!(look_up(vic, "apo-2").await.unwrap(), second);

    delete(olga, &second).await.unwrap();
    assert_eq!(olga.task(project, "c").await.key, "APO-3");
    assert_eq!(summary(&look_up(vic, "APO-2").await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(violations(&look_up(vic, "APO2").await.unwrap_err()), ["key"]);
}

#[tokio::test]
async fn concurrent_creates_get_distinct_consecutive_numbers() {
    let Team { olga, mia, project, .. } = &team().await;
    let made = join_all((0..24).map(|turn| {
        let who = if turn % 2 == 0 { olga } else { mia };
        who.task(project, "x")
    }));
    let mut numbers: Vec<i64> = made.await.into_iter().map(|task| task.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=24).collect::<Vec<i64>>());
}

#[tokio::test]
async fn refused_creates_use_no_number() {
    let Team { olga, project, .. } = &team().await;
    let taken = olga.task(project, "a").await;
    let again = pb::Task { id: taken.id, ..new_task(project, "b") };
    assert_eq!(summary(&create(olga, again).await.unwrap_err()), "ALREADY_EXISTS ALREADY_EXISTS");
    assert_eq!(olga.task(project, "c").await.number, 2);
}

/// A transaction that has created a task and is not committed.
async fn uncommitted_create(suite: &Suite, who: &Actor, project: &Project) -> AsyncPgConnection {
    let mut conn = suite.connect_as(Role::requests_of(task::NAME)).await;
    let create = format!(
        "BEGIN; SET LOCAL app.current_user_id = '{who}'; \
         INSERT INTO task.tasks (project_id, title, creator_id) VALUES ('{project}', 'open', '{who}')",
        who = who.id,
        project = project.id
    );
    conn.batch_execute(&create).await.unwrap();
    conn
}

async fn create_batch(who: &Actor, project: &Project, count: usize) -> Vec<i64> {
    let tasks = vec![pb::Task { title: "x".to_owned(), ..Default::default() }; count];
    let request = pb::BatchCreateTasksRequest { request_id: new_id(), project_id: project.id.clone(), tasks };
    let made = who.tasks().batch_create_tasks(request).await.unwrap().into_inner().tasks;
    made.into_iter().map(|task| task.number).collect()
}

#[tokio::test]
async fn creates_do_not_wait_for_the_commit_of_others() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    assert_eq!(olga.task(project, "a").await.number, 1);
    let mut second = uncommitted_create(suite, olga, project).await;
    let mut third = uncommitted_create(suite, mia, project).await;
    assert_eq!(mia.task(project, "b").await.number, 4);
    assert_eq!(create_batch(olga, project, 3).await, [5, 6, 7]);
    third.batch_execute("COMMIT").await.unwrap();
    second.batch_execute("COMMIT").await.unwrap();
    assert_eq!(olga.task(project, "c").await.number, 8);
    assert_eq!(all_tasks(olga, &project.id).await.len(), 8);
}

#[tokio::test]
async fn a_number_below_a_committed_one_is_not_given_after_a_rollback() {
    let Team { suite, olga, project, .. } = &team().await;
    assert_eq!(olga.task(project, "a").await.number, 1);
    let mut undone = uncommitted_create(suite, olga, project).await;
    undone.batch_execute("ROLLBACK").await.unwrap();
    let mut undone = uncommitted_create(suite, olga, project).await;
    assert_eq!(olga.task(project, "b").await.number, 3);
    undone.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(olga.task(project, "c").await.number, 4);
}

#[tokio::test]
async fn a_large_batch_gets_consecutive_numbers_behind_those_of_open_creates() {
    let Team { suite, olga, project, .. } = &team().await;
    assert_eq!(olga.task(project, "a").await.number, 1);
    let mut open = uncommitted_create(suite, olga, project).await;
    let commit = async {
        let waits = "pg_locks WHERE locktype = 'advisory' AND NOT granted";
        until("the batch waits", WAIT_LIMIT, async || suite.count(waits).await > 0).await;
        open.batch_execute("COMMIT").await.unwrap();
    };
    let (numbers, ()) = futures::join!(create_batch(olga, project, 100), commit);
    assert_eq!(numbers, (3..103).collect::<Vec<i64>>());
}

#[tokio::test]
async fn changing_a_project_key_changes_task_keys() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let task = olga.task(project, "a").await;
    let (mut stream, _) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    set_project_key(olga, project, "MOON").await.unwrap();
    until("the key is known", WAIT_LIMIT, async || get(olga, &task).await.unwrap().key == "MOON-1").await;
    let renamed = get(olga, &task).await.unwrap();
    assert_eq!(renamed, pb::Task { key: "MOON-1".to_owned(), ..task });
    assert_eq!(look_up(olga, "MOON-1").await.unwrap(), renamed);
    assert_eq!(summary(&look_up(olga, "APO-1").await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");

    // A new key is an event of the project, not of its tasks, but later events have it.
    let next = mia.task(project, "b").await;
    assert_eq!(task_of(&events(&mut stream, 1).await[0]).after.as_ref(), Some(&next));
    assert_eq!(next.key, "MOON-2");
    let [page] = [all_tasks(olga, &project.id).await];
    assert!(page.values().all(|task| task.key == format!("MOON-{}", task.number)));
}

#[tokio::test]
async fn a_key_can_pass_to_another_project() {
    let Team { olga, project, .. } = &team().await;
    let first = olga.task(project, "a").await;
    assert_eq!(first.key, "APO-1");
    set_project_key(olga, project, "MOON").await.unwrap();
    let gemini = olga.project("gemini").await;
    set_project_key(olga, &gemini, "APO").await.unwrap();
    let second = olga.task(&gemini, "b").await;
    until("the keys are known", WAIT_LIMIT, async || {
        look_up(olga, "APO-1").await.is_ok_and(|task| task.id == second.id)
            && look_up(olga, "MOON-1").await.is_ok_and(|task| task.id == first.id)
    })
    .await;
}

#[tokio::test]
async fn task_keys_of_invisible_projects_are_not_found() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    olga.task(project, "a").await;
    let nobody = suite.anonymous();
    for stranger in [sam, &nobody] {
        assert_eq!(summary(&look_up(stranger, "APO-1").await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    olga.add(project, sam, ProjectRole::Viewer).await;
    assert_eq!(look_up(sam, "APO-1").await.unwrap().number, 1);
    let public = open_project(olga, ProjectVisibility::Public).await;
    let task = olga.task(&public, "seen by all").await;
    assert_eq!(look_up(&nobody, &task.key).await.unwrap(), task);
}
