//! Creating tasks.

use proto::project::v1 as project;
use proto::task::v1 as pb;
use serde_json::json;
use shared::json::to_struct;
use testkit::*;

use crate::fixtures::*;

#[tokio::test]
async fn create_task_stores_every_field() {
    let Team { olga, mia, project, .. } = &team().await;
    let parent = olga.task(project, "shopping").await;
    let wished = pb::Task {
        id: new_id(),
        parent_task_id: Some(parent.id.clone()),
        description: Some("two litres".to_owned()),
        status: pb::TaskStatus::Review.into(),
        priority: pb::TaskPriority::Urgent.into(),
        assignee_id: Some(mia.id.to_string()),
        start_at: in_hours(-1),
        due_at: in_hours(1),
        estimated_duration: work_hours(1),
        actual_duration: work_hours(1_000_000),
        tags: vec!["food".to_owned(), "food".to_owned(), "home".to_owned()],
        metadata: Some(to_struct(&json!({"a": {"b": [1, null]}}))),
        ..new_task(project, "buy milk")
    };

    let made = create(olga, wished.clone()).await.unwrap();

    assert_eq!(made.id, wished.id);
    assert_eq!(made.creator_id, olga.id.to_string());
    assert_eq!((&made.parent_task_id, &made.description), (&wished.parent_task_id, &wished.description));
    assert_eq!((made.status(), made.priority()), (pb::TaskStatus::Review, pb::TaskPriority::Urgent));
    assert_eq!(made.assignee_id, wished.assignee_id);
    assert_eq!((made.start_at, made.due_at), (wished.start_at, wished.due_at));
    assert_eq!((made.estimated_duration, made.actual_duration), (work_hours(1), work_hours(1_000_000)));
    assert_eq!(made.tags, ["food", "home"]);
    assert_eq!(made.metadata, wished.metadata);
    assert!(made.completed_at.is_none() && made.created_at.is_some());
    assert_eq!(get(olga, &made).await.unwrap(), made);
}

#[tokio::test]
async fn create_task_fills_in_defaults() {
    let Team { mia, project, .. } = &team().await;
    let made = mia.task(project, "buy milk").await;
    assert_eq!((made.status(), made.priority()), (pb::TaskStatus::Pending, pb::TaskPriority::Medium));
    assert!(made.parent_task_id.is_none() && made.assignee_id.is_none() && made.due_at.is_none());
}

#[tokio::test]
async fn create_task_retries_return_the_first_task() {
    let Team { olga, project, .. } = &team().await;
    let (wished, request_id) = (new_task(project, "buy milk"), new_id());
    let first = create_once(olga, wished.clone(), request_id.clone()).await.unwrap();

    assert_eq!(create_once(olga, wished.clone(), request_id.clone()).await.unwrap(), first);
    let other = pb::Task { title: "buy bread".to_owned(), ..wished };
    let refusal = create_once(olga, other, request_id).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
}

#[tokio::test]
async fn concurrent_create_task_retries_create_one_task() {
    let Team { olga, project, .. } = &team().await;
    let (wished, request_id) = (new_task(project, "buy milk"), new_id());
    let calls = (0..8).map(|_| create_once(olga, wished.clone(), request_id.clone()));
    let made = futures::future::join_all(calls).await;
    let mut found: Vec<String> = made.into_iter().map(|task| task.unwrap().id).collect();
    found.dedup();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn create_task_requires_task_write() {
    let Team { suite, olga, vic, sam, project, .. } = &team().await;
    let refused = async |who: &Actor, project: &project::Project| {
        summary(&create(who, new_task(project, "x")).await.unwrap_err())
    };
    assert_eq!(refused(vic, project).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(refused(sam, project).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(&suite.anonymous(), project).await, "UNAUTHENTICATED SESSION_REQUIRED");
    let open = open_project(olga, project::ProjectVisibility::Public).await;
    assert_eq!(refused(sam, &open).await, "PERMISSION_DENIED PERMISSION_MISSING");
    let nowhere = project::Project { id: new_id(), ..Default::default() };
    assert_eq!(refused(olga, &nowhere).await, "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn create_task_rejects_an_id_that_is_taken() {
    let Team { olga, project, .. } = &team().await;
    let wished = pb::Task { id: new_id(), ..new_task(project, "buy milk") };
    create(olga, wished.clone()).await.unwrap();
    let refusal = create(olga, wished).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
}

#[tokio::test]
async fn create_task_rejects_a_parent_of_another_project() {
    let Team { olga, sam, project, .. } = &team().await;
    let elsewhere = olga.project("gemini").await;
    let [far, hidden] =
        [olga.task(&elsewhere, "far").await, sam.task(&sam.project("own").await, "hidden").await];
    let below = async |parent: String| {
        let wished = pb::Task { parent_task_id: Some(parent), ..new_task(project, "x") };
        create(olga, wished).await.unwrap_err()
    };
    assert_eq!(violations(&below(far.id).await), ["task.parent_task_id"]);
    assert_eq!(summary(&below(hidden.id).await), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(summary(&below(new_id()).await), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn create_task_rejects_an_assignee_who_is_not_a_member() {
    let Team { olga, sam, project, .. } = &team().await;
    for stranger in [sam.id.to_string(), new_id()] {
        let wished = pb::Task { assignee_id: Some(stranger.clone()), ..new_task(project, "x") };
        let refusal = create(olga, wished).await.unwrap_err();
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
        assert_eq!((metadata(&refusal, "resource"), metadata(&refusal, "id")), ("user".to_owned(), stranger));
    }
}

#[tokio::test]
async fn malformed_create_requests_name_every_field() {
    let Team { olga, .. } = &team().await;
    let own = new_id();
    let wished = pb::Task {
        id: own.clone(),
        project_id: "x".to_owned(),
        parent_task_id: Some(own),
        title: "\0".to_owned(),
        description: Some("x".repeat(100_001)),
        status: pb::TaskStatus::Done.into(),
        priority: 99,
        assignee_id: Some("me".to_owned()),
        start_at: in_hours(0),
        due_at: in_hours(-1),
        estimated_duration: work_hours(0),
        actual_duration: work_hours(1_000_001),
        tags: vec![String::new()],
        metadata: Some(to_struct(&json!({"a": "x".repeat(70_000)}))),
        ..Default::default()
    };
    let refusal = create_once(olga, wished, "1".to_owned()).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS");
    let mut named = violations(&refusal);
    named.dedup();
    expect_test::expect![[r#"
        [
            "request_id",
            "task.project_id",
            "task.title",
            "task.description",
            "task.priority",
            "task.assignee_id",
            "task.estimated_duration",
            "task.actual_duration",
            "task.tags[0]",
            "task.metadata",
            "task.status",
            "task.due_at",
            "task.start_at",
            "task.parent_task_id",
        ]
    "#]]
    .assert_debug_eq(&named);
}

#[tokio::test]
async fn what_cannot_be_seen_or_stored_exactly_is_refused() {
    let Team { olga, project, .. } = &team().await;
    for title in ["\u{200b}", "\u{3164}", "\u{301}", "invoice\u{202e}fdp.exe"] {
        let refused = create(olga, new_task(project, title)).await.unwrap_err();
        assert_eq!(violations(&refused), ["task.title"], "{title:?}");
    }
    let number = |number| Some(prost_types::value::Kind::NumberValue(number));
    for kind in [None, number(f64::NAN), number(f64::INFINITY)] {
        let fields = [("x".to_owned(), prost_types::Value { kind })].into();
        let metadata = Some(prost_types::Struct { fields });
        let task = pb::Task { metadata, ..new_task(project, "exact") };
        assert_eq!(violations(&create(olga, task).await.unwrap_err()), ["task.metadata"]);
    }
}

#[tokio::test]
async fn an_error_about_many_fields_fits_into_the_trailers_of_every_client() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let paths = (0..60).map(|_| "\u{202e}".repeat(100)).collect();
    let request = pb::UpdateTaskRequest {
        task: Some(pb::Task { id: task.id, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    };

    let refused = olga.tasks().update_task(request).await.unwrap_err();

    let shown = violations(&refused);
    assert_eq!(shown.last().unwrap(), "");
    assert!(shown.len() > 1 && refused.details().len() < 6_000, "{}", refused.details().len());
}
