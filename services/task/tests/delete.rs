//! Deleting tasks.

use proto::task::v1 as pb;
use testkit::*;

use crate::fixtures::*;

#[tokio::test]
async fn delete_task_deletes_its_dependencies() {
    let Team { olga, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    blocks(olga, &a, &b).await.unwrap();
    delete(olga, &b).await.unwrap();
    assert_eq!(summary(&get(olga, &b).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    let left = pb::ListTaskDependenciesRequest { task_id: a.id, ..Default::default() };
    let left = olga.plans().list_task_dependencies(left).await.unwrap().into_inner();
    assert!(left.dependencies.is_empty());
    assert_eq!(summary(&delete(olga, &b).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn delete_task_rejects_a_task_with_subtasks() {
    let Team { olga, project, .. } = &team().await;
    let parent = olga.task(project, "parent").await;
    let below = pb::Task { parent_task_id: Some(parent.id.clone()), ..new_task(project, "child") };
    let child = create(olga, below).await.unwrap();
    assert_eq!(summary(&delete(olga, &parent).await.unwrap_err()), "FAILED_PRECONDITION HAS_SUBTASKS");
    delete(olga, &child).await.unwrap();
    delete(olga, &parent).await.unwrap();
}

#[tokio::test]
async fn delete_task_requires_task_delete() {
    let Team { suite, olga, mia, vic, sam, project } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let refused = async |who: &Actor, task: &pb::Task| summary(&delete(who, task).await.unwrap_err());
    assert_eq!(refused(mia, &task).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(vic, &task).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(sam, &task).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(&suite.anonymous(), &task).await, "UNAUTHENTICATED SESSION_REQUIRED");
    let garbage = pb::Task { id: "x".to_owned(), ..task };
    assert_eq!(refused(olga, &garbage).await, "INVALID_ARGUMENT INVALID_FIELDS");
}

#[tokio::test]
async fn delete_task_rejects_a_stale_etag() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    update(olga, task.clone(), &["title"]).await.unwrap();
    let request = pb::DeleteTaskRequest { task_id: task.id, etag: task.etag };
    let refusal = olga.tasks().delete_task(request).await.unwrap_err();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
}
