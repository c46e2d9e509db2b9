//! Random changes by concurrent writers.

use std::collections::HashSet;

use proto::project::v1::DeleteProjectRequest;
use proto::project::v1::Project;
use proto::task::v1 as pb;
use proto::task::v1::batch_update_tasks_request::Updates;
use proto::task::v1::delete_task_dependency_request::Selector;
use testkit::*;
use tonic::Status;

use crate::fixtures::{self, *};

/// A pseudo-random number, the same in every run.
fn roll(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

fn one_of<'a>(tasks: &'a [pb::Task], seed: &mut u64) -> &'a pb::Task {
    &tasks[usize::try_from(roll(seed, tasks.len() as u64)).unwrap()]
}

/// One random change of the graph; returns the outcome.
async fn change(who: &Actor, tasks: &[pb::Task], seed: &mut u64) -> String {
    let [a, b] = [0, 0].map(|_: i32| one_of(tasks, seed));
    let outcome = match roll(seed, 15) {
        0 => {
            let below = pb::Task { parent_task_id: Some(b.id.clone()), etag: String::new(), ..a.clone() };
            update(who, below, &["parent_task_id"]).await.err()
        }
        1 => link(who, a, b, pb::DependencyType::SubtaskOf).await.err(),
        2 => {
            let completed = complete(who, a).await.err();
            let open = pb::Task { status: 1, etag: String::new(), ..a.clone() };
            completed.or(update(who, open, &["status"]).await.err())
        }
        3 => {
            let request = pb::Task {
                project_id: a.project_id.clone(),
                parent_task_id: Some(a.id.clone()),
                title: "part".to_owned(),
                ..Default::default()
            };
            create(who, request).await.err()
        }
        4 => unlink_one(who, a).await.err(),
        5 => create_and_delete(who, a, b).await.err(),
        6 => {
            let destination = Some(pb::move_task_request::Destination::AfterTaskId(b.id.clone()));
            let request = pb::MoveTaskRequest { task_id: a.id.clone(), destination, ..Default::default() };
            who.tasks().move_task(request).await.err()
        }
        7 => update(who, pb::Task { etag: String::new(), ..a.clone() }, &["title"]).await.err(),
        8 => {
            let several = (0..4).map(|_| one_of(tasks, seed).clone()).collect();
            update_all(who, several, i32::try_from(roll(seed, 2)).unwrap() + 1).await.err()
        }
        9 => set_project_key(who, a, roll(seed, 3)).await.err(),
        10 => split(who, a, b).await.err(),
        11 => create_and_delete_project(who).await.err(),
        _ => blocks(who, a, b).await.err(),
    };
    outcome.map_or_else(|| "OK".to_owned(), |refusal| summary(&refusal))
}

/// Like [`change`], retried while it is unavailable, as clients do: on a busy machine a connection may take longer
/// than the service waits. Deadlocks would look the same, but the server counts those.
pub(super) async fn change_in_the_end(who: &Actor, tasks: &[pb::Task], seed: &mut u64) -> String {
    for _ in 0..5 {
        let mut same = *seed;
        let answer = change(who, tasks, &mut same).await;
        if !answer.starts_with("UNAVAILABLE") {
            *seed = same;
            return answer;
        }
    }
    "UNAVAILABLE five times".to_owned()
}

/// Creates a task with a subtask and a blocker below another task, and deletes both again.
async fn create_and_delete(who: &Actor, below: &pb::Task, blocker: &pb::Task) -> Result<(), Status> {
    let part = |parent: &pb::Task| pb::Task {
        project_id: parent.project_id.clone(),
        parent_task_id: Some(parent.id.clone()),
        title: "part".to_owned(),
        ..Default::default()
    };
    let upper = create(who, part(below)).await?;
    let lower = create(who, part(&upper)).await?;
    let outcome = blocks(who, &lower, blocker).await.map(drop);
    delete(who, &lower).await?;
    delete(who, &upper).await?;
    outcome
}

/// Sets the status of several tasks in one batch, in any order.
async fn update_all(who: &Actor, tasks: Vec<pb::Task>, status: i32) -> Result<(), Status> {
    let update = pb::CommonTaskUpdate {
        task_ids: tasks.into_iter().map(|task| task.id).collect::<HashSet<_>>().into_iter().collect(),
        task: Some(pb::Task { status, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["status".to_owned()] }),
        ..Default::default()
    };
    let updates = Some(Updates::Common(update));
    let request = pb::BatchUpdateTasksRequest { updates, ..Default::default() };
    who.tasks().batch_update_tasks(request).await.map(drop)
}

/// Removes the task's first dependency, if it has any.
async fn unlink_one(who: &Actor, task: &pb::Task) -> Result<(), Status> {
    let request = pb::ListTaskDependenciesRequest { task_id: task.id.clone(), ..Default::default() };
    let found = who.plans().list_task_dependencies(request).await?.into_inner().dependencies;
    let Some(first) = found.into_iter().next() else { return Ok(()) };
    let request = pb::DeleteTaskDependencyRequest { selector: Some(Selector::DependencyId(first.id)) };
    who.plans().delete_task_dependency(request).await.map(|_| ())
}

/// Changes the project's key.
async fn set_project_key(who: &Actor, task: &pb::Task, which: u64) -> Result<(), Status> {
    let project = Project { id: task.project_id.clone(), ..Default::default() };
    fixtures::set_project_key(who, &project, &format!("KEY{which}")).await
}

/// Creates subtasks of two different tasks in one batch.
async fn split(who: &Actor, a: &pb::Task, b: &pb::Task) -> Result<(), Status> {
    let part = |parent: &pb::Task| pb::Task {
        parent_task_id: Some(parent.id.clone()),
        title: "part".to_owned(),
        ..Default::default()
    };
    let request = pb::BatchCreateTasksRequest {
        request_id: new_id(),
        project_id: a.project_id.clone(),
        tasks: vec![part(a), part(b)],
    };
    who.tasks().batch_create_tasks(request).await.map(drop)
}

/// Creates and deletes a project whose tasks depend on each other.
async fn create_and_delete_project(who: &Actor) -> Result<(), Status> {
    let project = who.project("passing").await;
    let [a, b] = [who.task(&project, "a").await, who.task(&project, "b").await];
    blocks(who, &a, &b).await?;
    let request = DeleteProjectRequest { project_id: project.id, ..Default::default() };
    who.projects().delete_project(request).await.map(drop)
}
