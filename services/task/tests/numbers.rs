//! Task keys and project keys.

use std::collections::HashSet;

use futures::future::join_all;
use proto::project::v1::{Project, ProjectRole, ProjectVisibility};
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn look_up(who: &Actor, key: &str) -> Result<pb::Task, Status> {
    let request = pb::LookupTaskRequest { key: key.to_owned() };
    who.tasks().lookup_task(request).await.map(tonic::Response::into_inner)
}

async fn project_key(who: &Actor, project: &Project) -> Result<String, Status> {
    let request = pb::GetProjectKeyRequest { project_id: project.id.clone() };
    who.tasks().get_project_key(request).await.map(|answer| answer.into_inner().key)
}

async fn set_key(who: &Actor, project: &Project, key: &str) -> Result<String, Status> {
    let request = pb::SetProjectKeyRequest { project_id: project.id.clone(), key: key.to_owned() };
    who.tasks().set_project_key(request).await.map(|answer| answer.into_inner().key)
}

#[tokio::test]
async fn tasks_are_numbered_per_project_and_found_by_key() {
    let Team { olga, vic, project, .. } = &team().await;
    assert_eq!(project_key(vic, project).await.unwrap(), "");
    let [first, second] = [olga.task(project, "a").await, olga.task(project, "b").await];
    assert_eq!((first.key.as_str(), first.number), ("APO-1", 1));
    assert_eq!((second.key.as_str(), second.number), ("APO-2", 2));
    assert_eq!(project_key(vic, project).await.unwrap(), "APO");
    assert_eq!(look_up(vic, "apo-2").await.unwrap(), second);

    delete(olga, &second).await.unwrap();
    assert_eq!(olga.task(project, "c").await.key, "APO-3");
    assert_eq!(summary(&look_up(vic, "APO-2").await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(violations(&look_up(vic, "APO2").await.unwrap_err()), ["key"]);
}

#[tokio::test]
async fn projects_with_equal_names_have_different_keys() {
    let Team { olga, project, .. } = &team().await;
    olga.task(project, "a").await;
    for (name, key) in [("Apollo 13", "APO2-1"), ("7 zip", "ZIP-1"), ("\u{6708}", "TSK-1"), ("x", "TSK2-1")] {
        assert_eq!(olga.task(&olga.project(name).await, "a").await.key, key);
    }
    let mut keys = HashSet::new();
    for _ in 0..15 {
        keys.insert(olga.task(&olga.project("apogee").await, "a").await.key);
    }
    assert_eq!(keys.len(), 15);
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
    let again = pb::CreateTaskRequest { task_id: taken.id, ..new_task(project, "b") };
    assert_eq!(summary(&create(olga, again).await.unwrap_err()), "ALREADY_EXISTS ALREADY_EXISTS");
    assert_eq!(olga.task(project, "c").await.number, 2);
}

#[tokio::test]
async fn changing_a_project_key_changes_task_keys() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "a").await;
    assert_eq!(set_key(olga, project, "MOON").await.unwrap(), "MOON");
    let renamed = get(olga, &task).await.unwrap();
    assert_eq!((renamed.key.as_str(), renamed.updated_at), ("MOON-1", task.updated_at));
    assert_eq!(look_up(olga, "MOON-1").await.unwrap(), renamed);
    assert_eq!(summary(&look_up(olga, "APO-1").await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    set_key(olga, project, "MOON").await.unwrap();
    assert_eq!(get(olga, &task).await.unwrap(), renamed);

    let gemini = olga.project("gemini").await;
    let refusal = set_key(olga, &gemini, "MOON").await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
    assert_eq!(set_key(olga, &gemini, "G1").await.unwrap(), "G1");
    assert_eq!(olga.task(&gemini, "a").await.key, "G1-1");
}

#[tokio::test]
async fn the_key_of_a_large_project_is_immutable() {
    let Team { suite, olga, project, .. } = &team().await;
    olga.task(project, "a").await;
    let many = format!(
        "INSERT INTO task.tasks (project_id, title, creator_id, number, key) \
         SELECT '{}', 'x', '{}', n, 'APO-' || n FROM generate_series(2, 10001) n",
        project.id, olga.id
    );
    let mut admin = suite.admin_of(task::NAME).await;
    diesel_async::SimpleAsyncConnection::batch_execute(&mut admin, &many).await.unwrap();
    let refusal = set_key(olga, project, "MOON").await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION PROJECT_KEY_IMMUTABLE");
    assert_eq!(project_key(olga, project).await.unwrap(), "APO");
}

#[tokio::test]
async fn task_keys_of_invisible_projects_are_not_found() {
    let Team { suite, olga, mia, vic, sam, project } = &team().await;
    olga.task(project, "a").await;
    let nobody = suite.anonymous();
    for stranger in [sam, &nobody] {
        assert_eq!(summary(&look_up(stranger, "APO-1").await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
        let refusal = project_key(stranger, project).await.unwrap_err();
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let refused = async |who: &Actor| summary(&set_key(who, project, "MOON").await.unwrap_err());
    assert_eq!(refused(mia).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(vic).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(sam).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(&nobody).await, "UNAUTHENTICATED SESSION_REQUIRED");
    let garbage = pb::SetProjectKeyRequest { project_id: "x".to_owned(), key: "moon".to_owned() };
    let refusal = olga.tasks().set_project_key(garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id", "key"]);

    olga.add(project, sam, ProjectRole::Viewer).await;
    assert_eq!(look_up(sam, "APO-1").await.unwrap().number, 1);
    let open = open_project(olga, ProjectVisibility::Public).await;
    let task = olga.task(&open, "seen by all").await;
    assert_eq!(look_up(&nobody, &task.key).await.unwrap(), task);
}
