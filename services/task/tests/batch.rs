//! Batches: all or nothing, and errors name the failing index.

use prost::Message;
use prost_types::FieldMask;
use proto::project::v1 as project;
use proto::task::v1 as pb;
use proto::task::v1::batch_update_tasks_request::Updates;
use testkit::*;
use tonic::Status;

use crate::feed_replica::all_tasks;
use crate::fixtures::*;

fn batch(project: &project::Project, tasks: Vec<pb::Task>) -> pb::BatchCreateTasksRequest {
    pb::BatchCreateTasksRequest { request_id: new_id(), project_id: project.id.clone(), tasks }
}

fn titled(title: &str) -> pb::Task {
    pb::Task { title: title.to_owned(), ..Default::default() }
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
    pb::UpdateTaskRequest { task: Some(task), update_mask: Some(FieldMask { paths }), metadata_patch: None }
}

fn changes(requests: Vec<pb::UpdateTaskRequest>) -> pb::BatchUpdateTasksRequest {
    let updates = Some(Updates::Individual(pb::IndividualTaskUpdates { requests }));
    pb::BatchUpdateTasksRequest { request_id: new_id(), updates }
}

/// The populated fields of `task` for all.
fn common_update(task_ids: Vec<String>, task: pb::Task) -> pb::BatchUpdateTasksRequest {
    let update = pb::CommonTaskUpdate { task_ids, task: Some(task), ..Default::default() };
    pb::BatchUpdateTasksRequest { updates: Some(Updates::Common(update)), ..Default::default() }
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
    let request =
        common_update(ids, pb::Task { priority: pb::TaskPriority::High.into(), ..Default::default() });
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
    let wished = pb::Task {
        parent_task_id: Some(parent_id.clone()),
        description: Some("two \"quotes\"".to_owned()),
        status: pb::TaskStatus::Review.into(),
        priority: pb::TaskPriority::Urgent.into(),
        assignee_id: Some(mia.id.to_string()),
        due_at: in_hours(48),
        estimated_duration: work_hours(3),
        actual_duration: work_hours(2),
        tags: vec!["a".to_owned(), "b,{}".to_owned()],
        metadata: Some(shared::json::to_struct(&serde_json::json!({"a": [1, null, {"b": "c"}]}))),
        ..titled("child")
    };
    let parent = pb::Task { id: parent_id.clone(), ..titled("parent") };
    let made = create_all(olga, batch(project, vec![parent.clone(), wished.clone()])).await.unwrap();
    assert_eq!(made[0].id, parent_id);
    assert_eq!(get(olga, &made[1]).await.unwrap(), made[1]);
    let child = made[1].clone();
    assert_eq!(
        (child.parent_task_id, child.description),
        (Some(parent_id.clone()), wished.description.clone())
    );
    assert_eq!((child.tags, child.metadata), (wished.tags.clone(), wished.metadata.clone()));
    assert_eq!((child.due_at, child.creator_id), (wished.due_at, olga.id.to_string()));

    let other = pb::Task { id: new_id(), ..titled("later") };
    let early = pb::Task { parent_task_id: Some(other.id.clone()), ..titled("early") };
    let refusal = create_all(olga, batch(project, vec![early, other])).await.unwrap_err();
    assert_eq!(violations(&refusal), ["tasks[0].parent_task_id"]);
}

#[tokio::test]
async fn batch_create_is_refused_whole_and_names_the_failing_index() {
    let Team { olga, sam, vic, project, .. } = &team().await;
    let taken = olga.task(project, "taken").await;
    let elsewhere = olga.task(&olga.project("gemini").await, "elsewhere").await;
    let refused = async |who: &Actor, bad: pb::Task| {
        let request = batch(project, vec![titled("good"), titled("good"), bad]);
        create_all(who, request).await.unwrap_err()
    };
    let bad = pb::Task { id: taken.id.clone(), ..titled("bad") };
    assert_eq!(at(&refused(olga, bad).await), "ALREADY_EXISTS ALREADY_EXISTS at 2");
    let bad = pb::Task { parent_task_id: Some(new_id()), ..titled("bad") };
    assert_eq!(at(&refused(olga, bad).await), "NOT_FOUND RESOURCE_NOT_FOUND at 2");
    let bad = pb::Task { assignee_id: Some(sam.id.to_string()), ..titled("bad") };
    assert_eq!(at(&refused(olga, bad).await), "NOT_FOUND RESOURCE_NOT_FOUND at 2");
    let bad = pb::Task { parent_task_id: Some(elsewhere.id.clone()), ..titled("bad") };
    assert_eq!(violations(&refused(olga, bad).await), ["tasks[2].parent_task_id"]);
    let bad = pb::Task { project_id: new_id(), ..titled("bad") };
    assert_eq!(violations(&refused(olga, bad).await), ["tasks[2].project_id"]);
    assert_eq!(summary(&refused(vic, titled("x")).await), "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(summary(&refused(sam, titled("x")).await), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(all_tasks(olga, &project.id).await.len(), 1);
}

#[tokio::test]
async fn empty_and_oversized_batches_are_refused() {
    let Team { olga, project, .. } = &team().await;
    for count in [0, 1_001] {
        let refusal = create_all(olga, batch(project, vec![titled("x"); count])).await.unwrap_err();
        assert_eq!(violations(&refusal), ["tasks"]);
    }
    let refusal = update_all(olga, changes(Vec::new())).await.unwrap_err();
    assert_eq!(violations(&refusal), ["individual.requests"]);
    let refusal = update_all(olga, pb::BatchUpdateTasksRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refusal), ["updates"]);
    assert_eq!(violations(&delete_all(olga, &[], "").await.unwrap_err()), ["requests"]);
    let task = olga.task(project, "x").await;
    let twice = vec![task.clone(); 2];
    assert_eq!(violations(&delete_all(olga, &twice, "").await.unwrap_err()), ["requests[1].task_id"]);
    let bad = pb::Task { title: "x\n".to_owned(), ..Default::default() };
    let refusal = update_all(olga, common_update(vec![task.id.clone(), task.id.clone()], bad)).await;
    assert_eq!(violations(&refusal.unwrap_err()), ["common.task_ids", "common.task.title"]);
    let refusal = update_all(olga, common_update(vec![task.id.clone()], task)).await.unwrap_err();
    assert_eq!(violations(&refusal), ["common.task.id", "common.task.etag"]);
}

/// Blockers are judged by the state after the batch, in whatever order the tasks come.
#[tokio::test]
async fn a_batch_completes_tasks_together_with_their_blockers() {
    let Team { olga, project, .. } = &team().await;
    let tasks = some(olga, project, 4).await;
    for pair in tasks.windows(2) {
        blocks(olga, &pair[0], &pair[1]).await.unwrap();
    }
    let ids = |tasks: &[pb::Task]| tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>();
    let done = pb::Task { status: pb::TaskStatus::Done.into(), ..Default::default() };
    let refusal = update_all(olga, common_update(ids(&tasks[..3]), done.clone())).await.unwrap_err();
    assert_eq!(at(&refusal), "FAILED_PRECONDITION TASK_BLOCKED at 2");
    assert_eq!(metadata(&refusal, "blockers"), tasks[3].id);
    let changed = update_all(olga, common_update(ids(&tasks), done)).await.unwrap();
    assert!(changed.iter().all(|task| task.status() == pb::TaskStatus::Done && task.completed_at.is_some()));

    let status = |task: &pb::Task, status: pb::TaskStatus| {
        let task = pb::Task { status: status.into(), etag: String::new(), ..task.clone() };
        change(task, &["status"])
    };
    let reopened = changes(vec![
        status(&tasks[0], pb::TaskStatus::InProgress),
        status(&tasks[1], pb::TaskStatus::Pending),
    ]);
    let refusal = update_all(olga, reopened).await.unwrap_err();
    assert_eq!(at(&refusal), "FAILED_PRECONDITION TASK_BLOCKED at 0");
}

#[tokio::test]
async fn batch_get_returns_tasks_in_request_order_and_names_missing_ones() {
    let Team { suite, olga, sam, vic, project, .. } = &team().await;
    let mut tasks = some(olga, project, 3).await;
    let hidden = sam.task(&sam.project("gemini").await, "hidden").await;
    tasks.reverse();
    let absent = new_id();
    let mut task_ids: Vec<String> = tasks.iter().map(|task| task.id.clone()).collect();
    task_ids.insert(1, hidden.id.clone());
    task_ids.push(absent.clone());
    let get_all = async |who: &Actor, task_ids: &[String]| {
        let request = pb::BatchGetTasksRequest { task_ids: task_ids.to_vec() };
        who.tasks().batch_get_tasks(request).await.map(tonic::Response::into_inner)
    };
    let found = get_all(vic, &task_ids).await.unwrap();
    assert_eq!(found.tasks, tasks);
    assert_eq!(found.missing_task_ids, [hidden.id, absent]);
    assert!(found.remaining_task_ids.is_empty());
    let nothing = get_all(&suite.anonymous(), &task_ids).await.unwrap();
    assert_eq!((nothing.tasks.len(), nothing.missing_task_ids), (0, task_ids.clone()));
    for ids in [vec![], vec![new_id(); 2], vec!["x".to_owned()]] {
        assert_eq!(summary(&get_all(olga, &ids).await.unwrap_err()), "INVALID_ARGUMENT INVALID_FIELDS");
    }
}

#[tokio::test]
async fn batch_get_ends_before_four_mebibytes() {
    let Team { olga, project, .. } = &team().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        let description = Some("\u{6f22}".repeat(90_000));
        ids.push(create(olga, pb::Task { description, ..new_task(project, "x") }).await.unwrap().id);
    }
    let mut left = ids.clone();
    let mut read = Vec::new();
    while !left.is_empty() {
        let request = pb::BatchGetTasksRequest { task_ids: left };
        let found = olga.tasks().batch_get_tasks(request).await.unwrap().into_inner();
        assert!(found.encoded_len() <= 4 * 1024 * 1024 && !found.tasks.is_empty());
        read.extend(found.tasks.into_iter().map(|task| task.id));
        left = found.remaining_task_ids;
    }
    assert_eq!(read, ids);
    let title = pb::Task { title: "y".to_owned(), ..Default::default() };
    let refusal = update_all(olga, common_update(ids, title)).await.unwrap_err();
    assert_eq!(violations(&refusal), ["updates"]);
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
        change(pb::Task { id: tasks[2].id.clone(), ..Default::default() }, &[]),
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
    let bad = pb::Task { status: 99, ..tasks[1].clone() };
    let named = ["individual.requests[1].task.status"];
    assert_eq!(violations(&refused(olga, change(bad, &["status"])).await), named);
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
    let parent = pb::Task { id: new_id(), ..titled("parent") };
    let child = pb::Task { parent_task_id: Some(parent.id.clone()), ..titled("child") };
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
    other.tasks.push(titled("c"));
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
