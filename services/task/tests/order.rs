//! The manual order of tasks.

use futures::future::join_all;
use proto::project::v1::{Project, ProjectVisibility};
use proto::task::v1 as pb;
use proto::task::v1::move_task_request::Destination;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn put(who: &Actor, task: &pb::Task, destination: Destination) -> Result<pb::Task, Status> {
    let request =
        pb::MoveTaskRequest { task_id: task.id.clone(), destination: Some(destination), etag: String::new() };
    who.tasks().move_task(request).await.map(tonic::Response::into_inner)
}

fn before(task: &pb::Task) -> Destination {
    Destination::BeforeTaskId(task.id.clone())
}

fn behind(task: &pb::Task) -> Destination {
    Destination::AfterTaskId(task.id.clone())
}

/// The titles of a project's tasks in their manual order.
async fn order(who: &Actor, project: &Project) -> String {
    let request = pb::ListTasksRequest { page_size: 1_000, ..list_of(in_project(project)) };
    let mut tasks = who.tasks().list_tasks(request).await.unwrap().into_inner().tasks;
    tasks.sort_by(|a, b| a.rank.cmp(&b.rank));
    assert!(tasks.windows(2).all(|pair| pair[0].rank < pair[1].rank));
    tasks.into_iter().map(|task| task.title).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn move_task_changes_only_the_moved_task() {
    let Team { olga, mia, project, .. } = &team().await;
    let [a, b, c] =
        [olga.task(project, "a").await, olga.task(project, "b").await, olga.task(project, "c").await];
    assert_eq!(order(olga, project).await, "a b c");

    let moved = put(mia, &c, before(&a)).await.unwrap();
    assert_eq!(order(olga, project).await, "c a b");
    assert_eq!((&moved.id, get(olga, &a).await.unwrap()), (&c.id, a.clone()));
    assert_eq!(get(olga, &c).await.unwrap(), moved);

    put(mia, &c, behind(&a)).await.unwrap();
    assert_eq!(order(olga, project).await, "a c b");
    put(mia, &a, behind(&b)).await.unwrap();
    assert_eq!(order(olga, project).await, "c b a");
    put(mia, &a, behind(&b)).await.unwrap();
    olga.task(project, "d").await;
    assert_eq!(order(olga, project).await, "c b a d");
}

#[tokio::test]
async fn repeated_moves_to_one_position_succeed() {
    let Team { olga, project, .. } = &team().await;
    let [a, b, c] =
        [olga.task(project, "a").await, olga.task(project, "b").await, olga.task(project, "c").await];
    let (mut near, mut far) = (b, c);
    // Each move halves the remaining space, far more often than a rank has digits.
    for _ in 0..700 {
        put(olga, &far, behind(&a)).await.unwrap();
        std::mem::swap(&mut near, &mut far);
    }
    assert_eq!(order(olga, project).await, "a b c");
    for task in [&near, &far] {
        assert!(get(olga, task).await.unwrap().rank.len() <= 64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_moves_to_one_position_succeed() {
    let Team { olga, mia, project, .. } = &team().await;
    let [first, last] = [olga.task(project, "first").await, olga.task(project, "last").await];
    let others = join_all((0..24).map(|_| olga.task(project, "x"))).await;
    let moves = others.iter().zip([olga, mia].into_iter().cycle()).map(|(task, who)| {
        let destination = if task.number % 2 == 0 { behind(&first) } else { before(&last) };
        put(who, task, destination)
    });
    for outcome in join_all(moves).await {
        outcome.unwrap();
    }
    assert_eq!(order(olga, project).await, format!("first {} last", ["x"; 24].join(" ")));
}

#[tokio::test]
async fn invalid_moves_are_refused() {
    let Team { suite, olga, mia, vic, sam, project } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    let elsewhere = olga.task(&olga.project("gemini").await, "far").await;
    let refused = async |who: &Actor, destination| summary(&put(who, &a, destination).await.unwrap_err());
    assert_eq!(refused(vic, behind(&b)).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(sam, behind(&b)).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(&suite.anonymous(), behind(&b)).await, "UNAUTHENTICATED SESSION_REQUIRED");
    assert_eq!(refused(mia, behind(&elsewhere)).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(olga, Destination::BeforeTaskId(new_id())).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    let fields = async |destination| violations(&put(olga, &a, destination).await.unwrap_err());
    assert_eq!(fields(before(&elsewhere)).await, ["before_task_id"]);
    assert_eq!(fields(behind(&a)).await, ["after_task_id"]);

    let mut client = olga.tasks();
    let garbage = pb::MoveTaskRequest { task_id: "x".to_owned(), destination: None, etag: String::new() };
    assert_eq!(violations(&client.move_task(garbage).await.unwrap_err()), ["task_id", "destination"]);
    let request =
        pb::MoveTaskRequest { task_id: a.id.clone(), destination: Some(behind(&b)), etag: a.etag.clone() };
    let moved = client.move_task(request.clone()).await.unwrap().into_inner();
    let refusal = client.move_task(request).await.unwrap_err();
    assert_eq!(
        (summary(&refusal).as_str(), metadata(&refusal, "etag")),
        ("ABORTED ETAG_MISMATCH", moved.etag)
    );

    let open = open_project(olga, ProjectVisibility::Public).await;
    let [near, far] = [olga.task(&open, "near").await, olga.task(&open, "far").await];
    let refusal = put(sam, &near, behind(&far)).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
}
