//! Completing tasks.

use proto::project::v1::ProjectRole;
use proto::task::v1 as pb;
use testkit::*;

use crate::fixtures::*;

#[tokio::test]
async fn complete_task_leaves_a_completed_task_unchanged() {
    let Team { mia, project, .. } = &team().await;
    let task = mia.task(project, "buy milk").await;
    let done = complete(mia, &task).await.unwrap();
    assert_eq!(done.status(), pb::TaskStatus::Done);
    assert!(done.completed_at.is_some());
    assert_ne!(done.etag, task.etag);
    assert_eq!(complete(mia, &done).await.unwrap(), done);
    assert_eq!(get(mia, &task).await.unwrap(), done);
}

#[tokio::test]
async fn complete_task_names_open_blockers() {
    let Team { olga, project, .. } = &team().await;
    let [cake, eggs, milk] = [
        olga.task(project, "cake").await,
        olga.task(project, "eggs").await,
        olga.task(project, "milk").await,
    ];
    blocks(olga, &cake, &eggs).await.unwrap();
    blocks(olga, &cake, &milk).await.unwrap();

    let refusal = complete(olga, &cake).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TASK_BLOCKED");
    assert_eq!(metadata(&refusal, "blockers"), ids(&[&eggs, &milk]));

    complete(olga, &eggs).await.unwrap();
    let refusal = complete(olga, &cake).await.unwrap_err();
    assert_eq!(metadata(&refusal, "blockers"), milk.id);

    let cancelled = pb::Task { status: pb::TaskStatus::Cancelled.into(), ..milk };
    update(olga, cancelled, &["status"]).await.unwrap();
    complete(olga, &cake).await.unwrap();
}

#[tokio::test]
async fn complete_task_hides_blockers_that_the_caller_may_not_see() {
    let Team { olga, mia, project, .. } = &team().await;
    let secret = olga.project("secret").await;
    let [open, hidden] = [olga.task(project, "open").await, olga.task(&secret, "hidden").await];
    let task = olga.task(project, "waits").await;
    blocks(olga, &task, &open).await.unwrap();
    blocks(olga, &task, &hidden).await.unwrap();
    let refusal = complete(mia, &task).await.unwrap_err();
    assert_eq!(metadata(&refusal, "blockers"), format!("{},hidden", open.id));
}

#[tokio::test]
async fn only_blocks_dependencies_prevent_completion() {
    let Team { olga, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    link(olga, &a, &b, pb::DependencyType::RelatesTo).await.unwrap();
    complete(olga, &a).await.unwrap();
}

#[tokio::test]
async fn complete_task_rejects_a_stale_etag() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    update(olga, task.clone(), &["title"]).await.unwrap();
    let request = pb::CompleteTaskRequest { task_id: task.id, etag: task.etag };
    let refusal = olga.tasks().complete_task(request).await.unwrap_err();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
}

#[tokio::test]
async fn complete_task_retries_are_answered_like_the_first_call() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let request = pb::CompleteTaskRequest { task_id: task.id, etag: task.etag };
    let first = olga.tasks().complete_task(request.clone()).await.unwrap().into_inner();
    let second = olga.tasks().complete_task(request).await.unwrap().into_inner();
    assert_eq!(first, second);
}

#[tokio::test]
async fn complete_task_requires_task_write() {
    let Team { suite, olga, vic, sam, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let refused = async |who: &Actor, task: &pb::Task| summary(&complete(who, task).await.unwrap_err());
    assert_eq!(refused(vic, &task).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(sam, &task).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(&suite.anonymous(), &task).await, "UNAUTHENTICATED SESSION_REQUIRED");
    let garbage = pb::Task { id: "x".to_owned(), ..task.clone() };
    assert_eq!(refused(olga, &garbage).await, "INVALID_ARGUMENT INVALID_FIELDS");
    olga.add(project, sam, ProjectRole::Member).await;
    complete(sam, &task).await.unwrap();
}
