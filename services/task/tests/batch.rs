//! Batches: all or nothing, and errors name the failing index.

use prost_types::FieldMask;
use proto::project::v1 as project;
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::copy::all_tasks;
use crate::fixtures::*;

fn batch(project: &project::Project, requests: Vec<pb::CreateTaskRequest>) -> pb::BatchCreateTasksRequest {
    pb::BatchCreateTasksRequest { request_id: new_id(), project_id: project.id.clone(), requests }
}

fn titled(title: &str) -> pb::CreateTaskRequest {
    pb::CreateTaskRequest { title: title.to_owned(), ..Default::default() }
}

async fn create_all(who: &Actor, request: pb::BatchCreateTasksRequest) -> Result<Vec<pb::Task>, Status> {
    who.tasks().batch_create_tasks(request).await.map(|answer| answer.into_inner().tasks)
}

async fn update_all(who: &Actor, request: pb::BatchUpdateTasksRequest) -> Result<Vec<pb::Task>, Status> {
    who.tasks().batch_update_tasks(request).await.map(|answer| answer.into_inner().tasks)
}

async fn delete_all(who: &Actor, tasks: &[pb::Task], request_id: &str) -> Result<(), Status> {
    let requests =
        tasks.iter().map(|task| pb::DeleteTaskRequest { task_id: task.id.clone(), etag: task.etag.clone() });
    let request =
        pb::BatchDeleteTasksRequest { request_id: request_id.to_owned(), requests: requests.collect() };
    who.tasks().batch_delete_tasks(request).await.map(|_| ())
}

fn change(task: pb::Task, paths: &[&str]) -> pb::UpdateTaskRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateTaskRequest { task: Some(task), update_mask: Some(FieldMask { paths }) }
}

fn changes(requests: Vec<pb::UpdateTaskRequest>) -> pb::BatchUpdateTasksRequest {
    pb::BatchUpdateTasksRequest { request_id: new_id(), requests, ..Default::default() }
}

/// The code, the reason and the index of the item.
fn at(refusal: &Status) -> String {
    format!("{} at {}", summary(refusal), metadata(refusal, "index"))
}

async fn some(who: &Actor, project: &project::Project, count: usize) -> Vec<pb::Task> {
    create_all(who, batch(project, vec![titled("x"); count])).await.unwrap()
}

#[tokio::test]
async fn batch_calls_accept_a_thousand_tasks() {
    let Team { olga, project, .. } = &team().await;
    let made = some(olga, project, 1_000).await;
    assert_eq!(made.len(), 1_000);
    let ids = made.iter().map(|task| task.id.clone()).collect();
    let request = pb::BatchUpdateTasksRequest {
        task_ids: ids,
        values: Some(pb::Task { priority: pb::TaskPriority::High.into(), ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["priority".to_owned()] }),
        ..Default::default()
    };
    let changed = update_all(olga, request).await.unwrap();
    assert!(changed.iter().zip(&made).all(|(new, old)| new.id == old.id && new.etag != old.etag));
    assert!(changed.iter().all(|task| task.priority() == pb::TaskPriority::High && task.title == "x"));
    assert_eq!(all_tasks(olga, &project.id).await.len(), 1_000);
    delete_all(olga, &changed, "").await.unwrap();
    assert!(all_tasks(olga, &project.id).await.is_empty());
}

#[tokio::test]
async fn batch_create_keeps_every_field_and_requires_parents_first() {
    let Team { olga, mia, project, .. } = &team().await;
    let parent_id = new_id();
    let wished = pb::CreateTaskRequest {
        parent_task_id: Some(parent_id.clone()),
        description: Some("two \"quotes\"".to_owned()),
        status: pb::TaskStatus::Review.into(),
        priority: pb::TaskPriority::Urgent.into(),
        assignee_id: Some(mia.id.to_string()),
        due_date: in_hours(48),
        estimated_hours: Some(3),
        actual_hours: Some(2),
        tags: vec!["a".to_owned(), "b,{}".to_owned()],
        metadata: Some(shared::json::to_struct(&serde_json::json!({"a": [1, null, {"b": "c"}]}))),
        ..titled("child")
    };
    let parent = pb::CreateTaskRequest { task_id: parent_id.clone(), ..titled("parent") };
    let made = create_all(olga, batch(project, vec![parent.clone(), wished.clone()])).await.unwrap();
    assert_eq!(made[0].id, parent_id);
    assert_eq!(get(olga, &made[1]).await.unwrap(), made[1]);
    let child = made[1].clone();
    assert_eq!(
        (child.parent_task_id, child.description),
        (Some(parent_id.clone()), wished.description.clone())
    );
    assert_eq!((child.tags, child.metadata), (wished.tags.clone(), wished.metadata.clone()));
    assert_eq!((child.due_date, child.creator_id), (wished.due_date, olga.id.to_string()));

    let other = pb::CreateTaskRequest { task_id: new_id(), ..titled("later") };
    let early = pb::CreateTaskRequest { parent_task_id: Some(other.task_id.clone()), ..titled("early") };
    let refusal = create_all(olga, batch(project, vec![early, other])).await.unwrap_err();
    assert_eq!(violations(&refusal), ["requests[0].parent_task_id"]);
}

#[tokio::test]
async fn batch_create_is_refused_whole_and_names_the_failing_index() {
    let Team { olga, sam, vic, project, .. } = &team().await;
    let taken = olga.task(project, "taken").await;
    let elsewhere = olga.task(&olga.project("gemini").await, "elsewhere").await;
    let refused = async |who: &Actor, bad: pb::CreateTaskRequest| {
        let request = batch(project, vec![titled("good"), titled("good"), bad]);
        create_all(who, request).await.unwrap_err()
    };
    let bad = pb::CreateTaskRequest { task_id: taken.id.clone(), ..titled("bad") };
    assert_eq!(at(&refused(olga, bad).await), "ALREADY_EXISTS ALREADY_EXISTS at 2");
    let bad = pb::CreateTaskRequest { parent_task_id: Some(new_id()), ..titled("bad") };
    assert_eq!(at(&refused(olga, bad).await), "NOT_FOUND RESOURCE_NOT_FOUND at 2");
    let bad = pb::CreateTaskRequest { assignee_id: Some(sam.id.to_string()), ..titled("bad") };
    assert_eq!(at(&refused(olga, bad).await), "NOT_FOUND RESOURCE_NOT_FOUND at 2");
    let bad = pb::CreateTaskRequest { parent_task_id: Some(elsewhere.id.clone()), ..titled("bad") };
    assert_eq!(violations(&refused(olga, bad).await), ["requests[2].parent_task_id"]);
    let bad = pb::CreateTaskRequest { request_id: new_id(), project_id: new_id(), ..titled("bad") };
    let named = ["requests[2].project_id", "requests[2].request_id"];
    assert_eq!(violations(&refused(olga, bad).await), named);
    assert_eq!(summary(&refused(vic, titled("x")).await), "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(summary(&refused(sam, titled("x")).await), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(all_tasks(olga, &project.id).await.len(), 1);
}

#[tokio::test]
async fn empty_and_oversized_batches_are_refused() {
    let Team { olga, project, .. } = &team().await;
    for count in [0, 1_001] {
        let refusal = create_all(olga, batch(project, vec![titled("x"); count])).await.unwrap_err();
        assert_eq!(violations(&refusal), ["requests"]);
    }
    let refusal = update_all(olga, changes(Vec::new())).await.unwrap_err();
    assert_eq!(violations(&refusal), ["requests"]);
    assert_eq!(violations(&delete_all(olga, &[], "").await.unwrap_err()), ["requests"]);
    let twice = vec![olga.task(project, "x").await; 2];
    assert_eq!(violations(&delete_all(olga, &twice, "").await.unwrap_err()), ["requests[1].task_id"]);
    let both = pb::BatchUpdateTasksRequest {
        task_ids: vec![twice[0].id.clone()],
        ..changes(vec![change(twice[0].clone(), &["title"])])
    };
    assert_eq!(violations(&update_all(olga, both).await.unwrap_err()), ["task_ids"]);
}

#[tokio::test]
async fn batch_update_applies_each_change_to_its_task() {
    let Team { olga, mia, project, .. } = &team().await;
    let other = olga.project("gemini").await;
    let mut tasks = some(olga, project, 2).await;
    tasks.extend(some(olga, &other, 1).await);
    let request = changes(vec![
        change(pb::Task { title: "renamed".to_owned(), ..tasks[0].clone() }, &["title"]),
        change(
            pb::Task { assignee_id: Some(mia.id.to_string()), ..tasks[1].clone() },
            &["assignee_id", "description"],
        ),
        change(tasks[2].clone(), &[]),
    ]);
    let changed = update_all(olga, request).await.unwrap();
    assert_eq!((changed[0].title.as_str(), &changed[0].assignee_id), ("renamed", &None));
    assert_eq!((changed[1].title.as_str(), &changed[1].assignee_id), ("x", &Some(mia.id.to_string())));
    assert_eq!(changed[2], tasks[2]);
    for task in &changed {
        assert_eq!(&get(olga, task).await.unwrap(), task);
    }
}

#[tokio::test]
async fn batch_update_is_rolled_back_whole_and_names_the_failing_index() {
    let Team { olga, mia, sam, vic, project, .. } = &team().await;
    let tasks = some(olga, project, 3).await;
    let hidden = sam.task(&sam.project("gemini").await, "hidden").await;
    let before = all_tasks(olga, &project.id).await;
    let refused = async |who: &Actor, bad: pb::UpdateTaskRequest| {
        let good = pb::Task { title: "changed".to_owned(), ..tasks[0].clone() };
        update_all(who, changes(vec![change(good, &["title"]), bad])).await.unwrap_err()
    };
    let stale = pb::Task { etag: "\"0\"".to_owned(), ..tasks[1].clone() };
    assert_eq!(at(&refused(olga, change(stale, &["title"])).await), "ABORTED ETAG_MISMATCH at 1");
    let unseen = change(hidden, &["title"]);
    assert_eq!(at(&refused(olga, unseen).await), "NOT_FOUND RESOURCE_NOT_FOUND at 1");
    let stranger = pb::Task { assignee_id: Some(sam.id.to_string()), ..tasks[1].clone() };
    assert_eq!(
        at(&refused(olga, change(stranger, &["assignee_id"])).await),
        "NOT_FOUND RESOURCE_NOT_FOUND at 1"
    );
    let itself = pb::Task { parent_task_id: Some(tasks[1].id.clone()), ..tasks[1].clone() };
    let refusal = refused(olga, change(itself, &["parent_task_id"])).await;
    assert_eq!(at(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE at 1");
    let done = pb::Task { status: pb::TaskStatus::Done.into(), ..tasks[1].clone() };
    assert_eq!(violations(&refused(olga, change(done, &["status"])).await), ["requests[1].task.status"]);
    let good = change(tasks[1].clone(), &["title"]);
    assert_eq!(at(&refused(vic, good.clone()).await), "PERMISSION_DENIED PERMISSION_MISSING at 0");
    assert_eq!(at(&refused(sam, good).await), "NOT_FOUND RESOURCE_NOT_FOUND at 0");
    assert_eq!(
        at(&delete_all(mia, &tasks, "").await.unwrap_err()),
        "PERMISSION_DENIED PERMISSION_MISSING at 0"
    );
    assert_eq!(all_tasks(olga, &project.id).await, before);
}

#[tokio::test]
async fn batch_delete_takes_a_whole_tree_or_nothing() {
    let Team { olga, project, .. } = &team().await;
    let parent = pb::CreateTaskRequest { task_id: new_id(), ..titled("parent") };
    let child = pb::CreateTaskRequest { parent_task_id: Some(parent.task_id.clone()), ..titled("child") };
    let made = create_all(olga, batch(project, vec![titled("x"), parent, child])).await.unwrap();
    let refusal = delete_all(olga, &made[..2], "").await.unwrap_err();
    assert_eq!(at(&refusal), "FAILED_PRECONDITION HAS_SUBTASKS at 1");
    assert_eq!(all_tasks(olga, &project.id).await.len(), 3);
    delete_all(olga, &made, "").await.unwrap();
    assert!(all_tasks(olga, &project.id).await.is_empty());
}

#[tokio::test]
async fn batch_retries_are_answered_like_the_first_call() {
    let Team { olga, mia, project, .. } = &team().await;
    let request = batch(project, vec![titled("a"), titled("b")]);
    let made = create_all(olga, request.clone()).await.unwrap();
    assert_eq!(create_all(olga, request.clone()).await.unwrap(), made);
    let mut other = request.clone();
    other.requests.push(titled("c"));
    assert_eq!(summary(&create_all(olga, other).await.unwrap_err()), "FAILED_PRECONDITION REQUEST_ID_REUSED");
    assert_ne!(create_all(mia, request).await.unwrap()[0].id, made[0].id);

    // The etags are stale by then; a retry ignores them.
    let request = changes(made.iter().map(|task| change(task.clone(), &["description"])).collect());
    let changed = update_all(olga, request.clone()).await.unwrap();
    assert_eq!(update_all(olga, request).await.unwrap(), changed);

    let request_id = new_id();
    delete_all(olga, &changed, &request_id).await.unwrap();
    delete_all(olga, &changed, &request_id).await.unwrap();
    assert_eq!(at(&delete_all(olga, &changed, "").await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND at 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_batches_over_the_same_tasks_do_not_deadlock() {
    let Team { olga, project, .. } = &team().await;
    let tasks = some(olga, project, 20).await;
    let storm = (0..8).map(|round| {
        let mut requests: Vec<_> = tasks
            .iter()
            .map(|task| {
                let title = format!("round {round}");
                change(pb::Task { title, etag: String::new(), ..task.clone() }, &["title", "parent_task_id"])
            })
            .collect();
        if round % 2 == 0 {
            requests.reverse();
        }
        update_all(olga, changes(requests))
    });
    for outcome in futures::future::join_all(storm).await {
        assert_eq!(outcome.unwrap().len(), 20);
    }
}
