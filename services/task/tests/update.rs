//! Updating tasks.

use diesel_async::SimpleAsyncConnection;
use proto::project::v1::ProjectVisibility;
use proto::task::v1 as pb;
use serde_json::json;
use shared::json::to_struct;
use testkit::*;

use crate::fixtures::*;
use crate::milestones::{make, milestone};

const ALL: &[&str] = &[
    "title",
    "description",
    "parent_task_id",
    "status",
    "priority",
    "assignee_id",
    "milestone_id",
    "start_at",
    "due_at",
    "estimated_duration",
    "actual_duration",
    "tags",
    "metadata",
];

#[tokio::test]
async fn update_task_changes_exactly_the_masked_fields() {
    let Team { olga, mia, project, .. } = &team().await;
    let parent = olga.task(project, "parent").await;
    let task = olga.task(project, "buy milk").await;
    let milestone = make(olga, milestone(project, "fed")).await.unwrap();
    let wished = pb::Task {
        title: "buy bread".to_owned(),
        description: Some("white".to_owned()),
        parent_task_id: Some(parent.id),
        status: pb::TaskStatus::Blocked.into(),
        priority: pb::TaskPriority::Low.into(),
        assignee_id: Some(mia.id.to_string()),
        milestone_id: Some(milestone.id),
        start_at: in_hours(2),
        due_at: in_hours(3),
        estimated_duration: work_hours(2),
        actual_duration: work_hours(3),
        tags: vec!["x".to_owned()],
        metadata: Some(to_struct(&json!({"a": 1}))),
        ..task.clone()
    };

    let one = update(mia, wished.clone(), &["title"]).await.unwrap();
    assert_ne!(one.etag, task.etag);
    assert_eq!(
        one,
        pb::Task {
            title: wished.title.clone(),
            etag: one.etag.clone(),
            updated_at: one.updated_at,
            ..task.clone()
        }
    );

    let all = update(mia, pb::Task { etag: one.etag.clone(), ..wished.clone() }, ALL).await.unwrap();
    // Nothing blocks it, so the block is manual.
    assert_eq!(
        all,
        pb::Task { etag: all.etag.clone(), updated_at: all.updated_at, manually_blocked: true, ..wished }
    );
    assert_eq!(get(olga, &all).await.unwrap(), all);

    let bare = pb::Task { id: task.id.clone(), title: "bare".to_owned(), ..Default::default() };
    let emptied = update(mia, bare, ALL).await.unwrap();
    assert_eq!(
        emptied,
        pb::Task {
            title: "bare".to_owned(),
            etag: emptied.etag.clone(),
            updated_at: emptied.updated_at,
            ..task
        }
    );
}

#[tokio::test]
async fn an_empty_mask_changes_the_populated_fields() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let bare = |title: &str| pb::Task { id: task.id.clone(), title: title.to_owned(), ..Default::default() };
    assert_eq!(update(olga, bare(""), &[]).await.unwrap(), task);
    let given = pb::Task { tags: vec!["x".to_owned()], ..bare("") };
    let tagged = update(olga, given, &[]).await.unwrap();
    assert_eq!((tagged.title.as_str(), tagged.tags.len()), ("buy milk", 1));
    let cleared = update(olga, bare("bread"), &["*"]).await.unwrap();
    assert_eq!((cleared.title.as_str(), cleared.tags.len()), ("bread", 0));
    assert_eq!(violations(&update(olga, bare(""), &["*"]).await.unwrap_err())[0], "task.title");
    let stale = pb::Task { etag: task.etag.clone(), ..bare("") };
    assert_eq!(summary(&update(olga, stale, &[]).await.unwrap_err()), "ABORTED ETAG_MISMATCH");
}

#[tokio::test]
async fn metadata_patch_changes_single_entries() {
    let Team { olga, project, .. } = &team().await;
    let metadata = Some(to_struct(&json!({"a": {"b": 1, "c": 2}, "d": 3})));
    let task = create(olga, pb::Task { metadata, ..new_task(project, "x") }).await.unwrap();
    let patch = |set: serde_json::Value, unset: &[&str]| proto::common::StructPatch {
        set: Some(to_struct(&set)),
        unset: vec![proto::common::StructPath { keys: unset.iter().map(|key| (*key).to_owned()).collect() }],
    };
    let request = pb::UpdateTaskRequest {
        task: Some(pb::Task { id: task.id.clone(), ..Default::default() }),
        update_mask: None,
        metadata_patch: Some(patch(json!({"a": {"b": 9}}), &["a", "c"])),
    };
    let patched = olga.tasks().update_task(request.clone()).await.unwrap().into_inner();
    assert_eq!(patched.metadata, Some(to_struct(&json!({"a": {"b": 9}, "d": 3}))));
    let both = pb::UpdateTaskRequest {
        task: Some(pb::Task { metadata: patched.metadata, ..request.task.clone().unwrap() }),
        ..request.clone()
    };
    assert_eq!(violations(&olga.tasks().update_task(both).await.unwrap_err()), ["metadata_patch"]);
    let large = pb::UpdateTaskRequest {
        metadata_patch: Some(patch(json!({"e": "x".repeat(65_520)}), &["x"])),
        ..request
    };
    assert_eq!(violations(&olga.tasks().update_task(large).await.unwrap_err()), ["metadata_patch"]);
}

#[tokio::test]
async fn update_task_rejects_a_stale_etag_with_the_current_one() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let newer = update(olga, task.clone(), &["title"]).await.unwrap();
    let refusal = update(olga, task, &["title"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
    assert_eq!(metadata(&refusal, "etag"), newer.etag);
}

#[tokio::test]
async fn update_task_reaches_done_like_complete_task_and_leaves_it() {
    let Team { olga, project, .. } = &team().await;
    let [task, blocker] = [olga.task(project, "buy milk").await, olga.task(project, "get up").await];
    blocks(olga, &task, &blocker).await.unwrap();
    let wished = pb::Task { id: task.id.clone(), status: pb::TaskStatus::Done.into(), ..Default::default() };
    let refusal = update(olga, wished.clone(), &["status"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TASK_BLOCKED");
    assert_eq!(metadata(&refusal, "blockers"), blocker.id);
    complete(olga, &blocker).await.unwrap();
    let done = update(olga, wished, &["status"]).await.unwrap();
    assert!(done.completed_at.is_some() && complete(olga, &task).await.unwrap() == done);
    let renamed = update(olga, pb::Task { title: "x".to_owned(), ..done.clone() }, &["title"]).await.unwrap();
    assert_eq!(renamed.completed_at, done.completed_at);
    let wished = pb::Task { status: pb::TaskStatus::InProgress.into(), ..renamed };
    let reopened = update(olga, wished, &["status"]).await.unwrap();
    assert_eq!((reopened.status(), reopened.completed_at), (pb::TaskStatus::InProgress, None));
}

#[tokio::test]
async fn update_task_rejects_a_descendant_as_parent() {
    let Team { olga, project, .. } = &team().await;
    let [a, b, c] =
        [olga.task(project, "a").await, olga.task(project, "b").await, olga.task(project, "c").await];
    let below = async |task: &pb::Task, parent: &pb::Task| {
        let task = pb::Task { parent_task_id: Some(parent.id.clone()), etag: String::new(), ..task.clone() };
        update(olga, task, &["parent_task_id"]).await
    };
    below(&b, &a).await.unwrap();
    below(&c, &b).await.unwrap();
    let refusal = below(&a, &c).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
    assert_eq!(metadata(&refusal, "cycle"), ids(&[&a, &b, &c]));
    assert_eq!(summary(&below(&a, &a).await.unwrap_err()), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
}

#[tokio::test]
async fn subtrees_move_as_a_whole_but_not_below_themselves() {
    const DEPTH: usize = 60;
    let Team { olga, project, .. } = &team().await;
    let [root, elsewhere] = [olga.task(project, "root").await, olga.task(project, "elsewhere").await];
    let mut deepest = root.clone();
    for depth in 1..DEPTH {
        let part = pb::Task { parent_task_id: Some(deepest.id), ..new_task(project, &depth.to_string()) };
        deepest = create(olga, part).await.unwrap();
    }
    let move_below = async |task: &pb::Task, parent: &pb::Task| {
        let moved = pb::Task { parent_task_id: Some(parent.id.clone()), etag: String::new(), ..task.clone() };
        update(olga, moved, &["parent_task_id"]).await.map_err(|refusal| summary(&refusal))
    };
    let cycle = Err("FAILED_PRECONDITION DEPENDENCY_CYCLE".to_owned());
    assert_eq!(move_below(&root, &deepest).await, cycle);
    move_below(&elsewhere, &deepest).await.unwrap();
    assert_eq!(move_below(&root, &elsewhere).await, cycle, "it hangs below the deepest");
    let above = olga.task(project, "above").await;
    move_below(&root, &above).await.unwrap();
    assert_eq!(move_below(&above, &elsewhere).await, cycle, "the whole subtree came along");
}

#[tokio::test]
async fn update_task_rejects_parents_and_assignees_of_other_projects() {
    let Team { olga, sam, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let far = olga.task(&olga.project("gemini").await, "far").await;
    let below = pb::Task { parent_task_id: Some(far.id), ..task.clone() };
    let refusal = update(olga, below, &["parent_task_id"]).await.unwrap_err();
    assert_eq!(violations(&refusal), ["task.parent_task_id"]);
    let lost = pb::Task { parent_task_id: Some(new_id()), ..task.clone() };
    let refusal = update(olga, lost, &["parent_task_id"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let sams = pb::Task { assignee_id: Some(sam.id.to_string()), ..task };
    let refusal = update(olga, sams, &["assignee_id"]).await.unwrap_err();
    assert_eq!(metadata(&refusal, "resource"), "user");
}

#[tokio::test]
async fn removed_members_stay_assigned_until_reassigned() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let given = pb::Task { assignee_id: Some(mia.id.to_string()), ..new_task(project, "x") };
    let given = create(olga, given).await.unwrap();
    let leave = proto::project::v1::LeaveProjectRequest { project_id: project.id.clone() };
    mia.members().leave_project(leave).await.unwrap();
    until("mia is out", WAIT_LIMIT, async || get(mia, &given).await.is_err()).await;

    let renamed = pb::Task { title: "y".to_owned(), etag: String::new(), ..given.clone() };
    let renamed = update(olga, renamed, &["title"]).await.unwrap();
    assert_eq!(renamed.assignee_id, Some(mia.id.to_string()));
    let again = pb::Task { etag: String::new(), ..given.clone() };
    let refusal = update(olga, again, &["assignee_id"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let another = pb::Task { assignee_id: Some(vic.id.to_string()), etag: String::new(), ..given };
    assert_eq!(update(olga, another, &["assignee_id"]).await.unwrap().assignee_id, Some(vic.id.to_string()));
}

#[tokio::test]
async fn update_task_requires_task_write() {
    let Team { suite, olga, vic, sam, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let open = olga.task(&open_project(olga, ProjectVisibility::Public).await, "open").await;
    let refused = async |who: &Actor, task: &pb::Task| {
        summary(&update(who, task.clone(), &["title"]).await.unwrap_err())
    };
    assert_eq!(refused(vic, &task).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(sam, &task).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(sam, &open).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(&suite.anonymous(), &open).await, "UNAUTHENTICATED SESSION_REQUIRED");
    let nowhere = pb::Task { id: new_id(), ..task };
    assert_eq!(refused(olga, &nowhere).await, "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn malformed_update_requests_name_every_field() {
    let Team { olga, project, .. } = &team().await;
    let task = pb::Task {
        id: "x".to_owned(),
        title: String::new(),
        description: Some("\0".to_owned()),
        parent_task_id: Some("x".to_owned()),
        status: 99,
        priority: -1,
        assignee_id: Some("x".to_owned()),
        milestone_id: Some("x".to_owned()),
        start_at: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        due_at: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
        estimated_duration: work_minutes(-1),
        actual_duration: Some(prost_types::Duration { seconds: 59, nanos: 0 }),
        tags: vec!["x".repeat(101)],
        metadata: Some(to_struct(&json!({"a": "\0"}))),
        ..Default::default()
    };
    let mut named = violations(&update(olga, task, &[ALL, &["creator_id"]].concat()).await.unwrap_err());
    named.dedup();
    let fields = ["id"].iter().map(|field| format!("task.{field}"));
    let mut expected: Vec<String> = fields.chain(["update_mask".to_owned()]).collect();
    let named_by =
        |field: &&str| if *field == "tags" { "task.tags[0]".to_owned() } else { format!("task.{field}") };
    expected.extend(ALL.iter().map(named_by));
    expected.sort();
    named.sort();
    assert_eq!(named, expected);

    let past = pb::Task { due_at: in_hours(-1), ..olga.task(project, "x").await };
    assert_eq!(violations(&update(olga, past, &["due_at"]).await.unwrap_err()), ["task.due_at"]);
}

#[tokio::test]
async fn a_task_does_not_start_after_it_is_due() {
    let Team { olga, mia, project, .. } = &team().await;
    let task = pb::Task { start_at: in_hours(2), due_at: in_hours(4), ..new_task(project, "x") };
    let task = create(olga, task).await.unwrap();
    for (start_at, due_at) in [(in_hours(5), None), (None, in_hours(1)), (in_hours(9), in_hours(8))] {
        let paths: Vec<&str> = [("start_at", start_at), ("due_at", due_at)]
            .into_iter()
            .filter_map(|(path, time)| time.map(|_| path))
            .collect();
        let change = pb::Task { start_at, due_at, ..task.clone() };
        let refusal = update(mia, change.clone(), &paths).await.unwrap_err();
        assert_eq!(violations(&refusal), ["task.start_at"]);
        let batch = pb::BatchUpdateTasksRequest {
            updates: Some(pb::batch_update_tasks_request::Updates::Individual(pb::IndividualTaskUpdates {
                requests: vec![pb::UpdateTaskRequest {
                    task: Some(change),
                    update_mask: Some(prost_types::FieldMask {
                        paths: paths.into_iter().map(str::to_owned).collect(),
                    }),
                    metadata_patch: None,
                }],
            })),
            ..Default::default()
        };
        let refusal = mia.tasks().batch_update_tasks(batch).await.unwrap_err();
        assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS");
    }
    let later = pb::Task { start_at: in_hours(5), due_at: in_hours(6), ..task.clone() };
    let later = update(mia, later, &["start_at", "due_at"]).await.unwrap();
    let open = update(mia, pb::Task { due_at: None, ..later.clone() }, &["due_at"]).await.unwrap();
    assert_eq!((open.start_at, open.due_at), (later.start_at, None));
    let request = pb::ListTaskHistoryRequest { task_id: task.id.clone(), ..Default::default() };
    let events = olga.tasks().list_task_history(request).await.unwrap().into_inner().events;
    let fields: Vec<_> = events.into_iter().map(|event| event.change.unwrap().changed_fields).collect();
    assert_eq!(fields[0], ["due_at", "updated_at"]);
    assert_eq!(fields[1], ["due_at", "start_at", "updated_at"]);
}

#[tokio::test]
async fn the_database_rejects_a_start_after_the_due_date() {
    let Team { suite, olga, project, .. } = &team().await;
    let task = olga.task(project, "x").await;
    let statement = format!(
        "UPDATE task.tasks SET start_date = now() + '2 hours', due_date = now() + '1 hour' WHERE id = '{}'",
        task.id
    );
    let error = suite.admin_of(task::NAME).await.batch_execute(&statement).await.unwrap_err();
    assert_eq!(shared::database::constraint_of(&error), Some("chk_start_date"));
}
