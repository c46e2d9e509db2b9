//! How soon changes in the project service take effect here.

use proto::common::Permission;
use proto::project::v1 as project;
use proto::task::v1 as pb;
use testkit::*;

use crate::fixtures::*;

#[tokio::test]
async fn new_members_have_access_at_once() {
    let Team { olga, sam, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    assert_eq!(summary(&get(sam, &task).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    olga.add(project, sam, project::ProjectRole::Member).await;
    sam.task(project, "buy bread").await;
    assert_eq!(get(sam, &task).await.unwrap(), task);
}

#[tokio::test]
async fn new_members_can_be_assigned_at_once() {
    let Team { olga, sam, project, .. } = &team().await;
    olga.task(project, "so that the copy is there").await;
    olga.add(project, sam, project::ProjectRole::Viewer).await;
    let wished = pb::Task { assignee_id: Some(sam.id.to_string()), ..new_task(project, "x") };
    create(olga, wished).await.unwrap();
}

#[tokio::test]
async fn removed_members_lose_access_within_seconds() {
    let Team { olga, mia, project, .. } = &team().await;
    let task = mia.task(project, "buy milk").await;
    let request = project::RemoveMemberRequest {
        project_id: project.id.clone(),
        user_id: mia.id.to_string(),
        ..Default::default()
    };
    olga.members().remove_member(request).await.unwrap();
    until("mia is out", WAIT_LIMIT, async || get(mia, &task).await.is_err()).await;
    let refusal = create(mia, new_task(project, "x")).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn tasks_of_an_archived_project_are_read_only_until_it_is_reopened() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let archive = project::ArchiveProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().archive_project(archive).await.unwrap();
    let is_refused =
        async || match update(olga, pb::Task { etag: String::new(), ..task.clone() }, &["title"]).await {
            Ok(_) => false,
            Err(refusal) => summary(&refusal) == "FAILED_PRECONDITION PROJECT_READ_ONLY",
        };
    until("the project is read-only", WAIT_LIMIT, is_refused).await;
    let read_only = "FAILED_PRECONDITION PROJECT_READ_ONLY";
    assert_eq!(summary(&create(olga, new_task(project, "x")).await.unwrap_err()), read_only);
    assert_eq!(summary(&complete(olga, &task).await.unwrap_err()), read_only);
    assert_eq!(summary(&delete(olga, &task).await.unwrap_err()), read_only);
    get(olga, &task).await.unwrap();

    let reopen = project::ReopenProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().reopen_project(reopen).await.unwrap();
    complete(olga, &task).await.unwrap();
}

#[tokio::test]
async fn deleting_a_project_deletes_its_tasks() {
    let Team { suite, olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let request = project::DeleteProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().delete_project(request).await.unwrap();
    let is_gone = async || match get(olga, &task).await {
        Ok(_) => false,
        Err(refusal) => summary(&refusal) == "NOT_FOUND RESOURCE_NOT_FOUND",
    };
    until("the task is gone", WAIT_LIMIT, is_gone).await;
    let resolve = proto::task::backend::v1::ResolveTaskRequest { task_id: task.id };
    let refusal = suite.as_service("content").task_lookup().resolve_task(resolve).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn single_permissions_are_enforced() {
    let Team { olga, sam, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let member = project::Member {
        project_id: project.id.clone(),
        user_id: sam.id.to_string(),
        role: project::ProjectRole::Member.into(),
        granted_permissions: vec![Permission::TaskDelete.into()],
        denied_permissions: vec![Permission::TaskRead.into()],
        ..Default::default()
    };
    let request = project::AddMemberRequest { member: Some(member), ..Default::default() };
    olga.members().add_member(request).await.unwrap();
    assert_eq!(summary(&get(sam, &task).await.unwrap_err()), "PERMISSION_DENIED PERMISSION_MISSING");
    let refusal = sam.tasks().list_tasks(list_of(in_project(project))).await.unwrap_err();
    assert_eq!(metadata(&refusal, "permission"), "task_read");
    // Writes answer with the task, so they show nothing to a member who may not read it.
    let changed = pb::Task { id: task.id.clone(), title: "x".to_owned(), ..Default::default() };
    let update_mask = None;
    let individual = pb::IndividualTaskUpdates {
        requests: vec![pb::UpdateTaskRequest {
            task: Some(changed.clone()),
            update_mask,
            ..Default::default()
        }],
    };
    let updates = Some(pb::batch_update_tasks_request::Updates::Individual(individual));
    let batch = pb::BatchUpdateTasksRequest { updates, ..Default::default() };
    let refusals = [
        update(sam, changed, &[]).await.unwrap_err(),
        update(sam, pb::Task { id: task.id.clone(), ..Default::default() }, &[]).await.unwrap_err(),
        complete(sam, &task).await.unwrap_err(),
        sam.tasks().batch_update_tasks(batch).await.map(drop).unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(metadata(&refusal, "permission"), "task_read");
    }
    let read = pb::BatchGetTasksRequest { task_ids: vec![task.id.clone()] };
    let read = sam.tasks().batch_get_tasks(read).await.unwrap().into_inner();
    assert_eq!((read.tasks.len(), read.missing_task_ids), (0, vec![task.id.clone()]));
    delete(sam, &task).await.unwrap();
}

/// The copy is ahead of a project service that was restored from a backup.
#[tokio::test]
async fn a_snapshot_replaces_states_of_an_earlier_incarnation() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let ghost = project::Project { id: new_id(), ..project.clone() };
    let ahead = format!(
        "UPDATE task.project_access SET revision = 1000; \
         INSERT INTO task.project_access VALUES ('{0}', 1000, FALSE, 'private', 'active', 'GHOST'); \
         INSERT INTO task.project_access_members SELECT unnest(ARRAY['{0}', '{1}']::uuid[]), '{2}', 'member'",
        ghost.id, project.id, sam.id
    );
    suite.execute(&ahead).await;
    get(sam, &task).await.unwrap();
    let list = |of: &project::Project| {
        let request = list_of(in_project(of));
        async move { sam.tasks().list_tasks(request).await }
    };
    list(&ghost).await.unwrap();

    let forget = "UPDATE project.change_log_horizon SET position = 9223372036854775807, \
        transaction_id = (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text::xid8";
    let is_out = async || {
        suite.execute(forget).await;
        get(sam, &task).await.is_err() && list(&ghost).await.is_err()
    };
    until("sam is out", WAIT_LIMIT, is_out).await;
    olga.add(project, sam, project::ProjectRole::Viewer).await;
    get(sam, &task).await.unwrap();
}
