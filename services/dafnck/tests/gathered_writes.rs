//! Writes of many callers that go to PostgreSQL together: each is made, or refused, as if it came alone.

use std::collections::HashSet;

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, TryFutureExt};
use prost_types::FieldMask;
use proto::project::v1::{Project, ProjectRole};
use proto::task::v1::{CreateTaskRequest, ListTaskHistoryRequest, Task, UpdateTaskRequest};
use testkit::{Actor, new_id, summary};
use tonic::Status;

use crate::harness::harness;

/// Tasks that each member writes at the same time.
const TASKS: usize = 20;

type Written<'a> = BoxFuture<'a, Result<Task, Status>>;

fn create<'a>(who: &'a Actor, request_id: &str, task: Task) -> Written<'a> {
    let request = CreateTaskRequest { request_id: request_id.to_owned(), task: Some(task) };
    async move { who.tasks().create_task(request).map_ok(tonic::Response::into_inner).await }.boxed()
}

/// Changes the title, if the task's etag is not stale.
fn rename<'a>(who: &'a Actor, task: &Task, title: &str) -> Written<'a> {
    let task = Task { title: title.to_owned(), ..task.clone() };
    let update_mask = Some(FieldMask { paths: vec!["title".to_owned()] });
    let request = UpdateTaskRequest { task: Some(task), update_mask, ..Default::default() };
    async move { who.tasks().update_task(request).map_ok(tonic::Response::into_inner).await }.boxed()
}

fn new_task(project: &Project, title: &str) -> Task {
    Task { project_id: project.id.clone(), title: title.to_owned(), ..Default::default() }
}

#[derive(QueryableByName)]
struct Transactions {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Who made the last change of a task.
async fn last_actor(reader: &Actor, task: &Task) -> String {
    let request = ListTaskHistoryRequest { task_id: task.id.clone(), ..Default::default() };
    let mut events = reader.tasks().list_task_history(request).await.unwrap().into_inner().events;
    events.swap_remove(0).change.unwrap().actor_id
}

/// Writes the tasks of both people in turn.
async fn write_all<'a>(writes: impl Iterator<Item = Written<'a>>) -> Vec<Task> {
    join_all(writes).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn tasks_that_are_created_at_once_are_each_their_own_callers() {
    let suite = harness().start().await;
    let [olga, mia] = suite.guests(["olga", "mia"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &mia, ProjectRole::Member).await;
    mia.task(&project, "first").await;

    let people = [&olga, &mia];
    let creations = (0..2 * TASKS)
        .map(|number| create(people[number % 2], &new_id(), new_task(&project, &format!("task {number}"))));
    let created = write_all(creations).await;

    let mut numbers = HashSet::new();
    for (number, task) in created.into_iter().enumerate() {
        let creator = people[number % 2].id.to_string();
        assert_eq!((&task.title, &task.creator_id), (&format!("task {number}"), &creator));
        assert_eq!(last_actor(&olga, &task).await, creator);
        numbers.insert(task.number);
    }
    assert_eq!(numbers, (2..2 + i64::try_from(2 * TASKS).unwrap()).collect());

    let query = sql_query("SELECT count(DISTINCT transaction_id) AS count FROM task.change_log");
    let transactions: Transactions = query.get_result(&mut suite.admin_of("task").await).await.unwrap();
    assert!(
        transactions.count <= i64::try_from(2 * TASKS).unwrap(),
        "{} for one task more",
        transactions.count
    );
}

#[tokio::test]
async fn a_creation_that_fails_or_was_made_before_leaves_the_others_alone() {
    let suite = harness().start().await;
    let [olga, vic, sam] = suite.guests(["olga", "vic", "sam"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &vic, ProjectRole::Viewer).await;
    let elsewhere = olga.task(&olga.project("gemini").await, "elsewhere").await;
    let taken = olga.task(&project, "taken").await;

    let request_id = new_id();
    let of = |title: &str| new_task(&project, title);
    let retried = create(&olga, &request_id, of("once")).await.unwrap();
    let mut creations: Vec<Written<'_>> = vec![
        create(&vic, &new_id(), of("by a viewer")),
        create(&sam, &new_id(), of("by a stranger")),
        create(&olga, &new_id(), Task { id: taken.id.clone(), ..of("with an id that is taken") }),
        create(
            &olga,
            &new_id(),
            Task { parent_task_id: Some(elsewhere.id.clone()), ..of("of another project") },
        ),
        create(&olga, &new_id(), Task { assignee_id: Some(sam.id.to_string()), ..of("for a stranger") }),
        create(&olga, &request_id, of("twice")),
        create(&olga, &request_id, of("once")),
    ];
    let refusals = creations.len() - 1;
    creations.extend((0..TASKS).map(|number| create(&olga, &new_id(), of(&format!("task {number}")))));
    let mut created = join_all(creations).await;

    let others = created.split_off(refusals + 1);
    assert!(others.into_iter().all(|task| task.is_ok()));
    assert_eq!(created.pop().unwrap().unwrap().id, retried.id);
    let refused: Vec<String> = created.into_iter().map(|refusal| summary(&refusal.unwrap_err())).collect();
    let expected = [
        "PERMISSION_DENIED PERMISSION_MISSING",
        "NOT_FOUND RESOURCE_NOT_FOUND",
        "ALREADY_EXISTS ALREADY_EXISTS",
        "INVALID_ARGUMENT INVALID_FIELDS",
        "NOT_FOUND RESOURCE_NOT_FOUND",
        "FAILED_PRECONDITION REQUEST_ID_REUSED",
    ];
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn tasks_that_are_changed_at_once_are_each_changed_by_their_own_callers() {
    let suite = harness().start().await;
    let [olga, mia, vic] = suite.guests(["olga", "mia", "vic"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &mia, ProjectRole::Member).await;
    olga.add(&project, &vic, ProjectRole::Viewer).await;
    mia.task(&project, "first").await;
    let new = (0..2 * TASKS).map(|_| create(&olga, &new_id(), new_task(&project, "old")));
    let tasks = write_all(new).await;

    let people = [&olga, &mia];
    let title = |number: usize| format!("title {number}");
    let renamed = |(number, task)| rename(people[number % 2], task, &title(number));
    let (changed, refused) = futures::join!(
        write_all(tasks.iter().enumerate().map(renamed)),
        join_all(tasks.iter().map(|task| rename(&vic, &Task { etag: String::new(), ..task.clone() }, "no"))),
    );

    for refusal in refused {
        assert_eq!(summary(&refusal.unwrap_err()), "PERMISSION_DENIED PERMISSION_MISSING");
    }
    for (number, task) in changed.iter().enumerate() {
        assert_eq!((&task.title, &task.id), (&title(number), &tasks[number].id));
        assert_eq!(last_actor(&olga, task).await, people[number % 2].id.to_string());
    }
    // The etags of the answers are current.
    write_all(changed.iter().map(|task| rename(&olga, task, "new"))).await;
}

#[tokio::test]
async fn of_changes_of_one_task_at_once_under_one_etag_a_single_one_is_made() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let task = olga.task(&olga.project("apollo").await, "old").await;
    let others = Task { etag: String::new(), ..task.clone() };

    let changes = (0..TASKS).map(|number| rename(&olga, &task, &format!("title {number}")));
    let (changed, _) = futures::join!(join_all(changes), rename(&olga, &others, "whatever it was"));
    let (made, refused): (Vec<_>, Vec<_>) = changed.into_iter().partition(Result::is_ok);

    assert!(made.len() <= 1, "{made:?}");
    for refusal in refused {
        assert_eq!(summary(&refusal.unwrap_err()), "ABORTED ETAG_MISMATCH");
    }
}
