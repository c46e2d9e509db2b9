//! Refused filters; `list_model` tests what filters match.

use prost_types::Timestamp;
use proto::common;
use proto::task::v1 as pb;
use proto::task::v1::TaskStatus;
use proto::task::v1::task_filter::Position;
use shared::json::to_struct;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn refusal(who: &Actor, filter: pb::TaskFilter) -> Status {
    let request = pb::ListTasksRequest { filter: Some(filter), ..Default::default() };
    who.tasks().list_tasks(request).await.unwrap_err()
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

#[tokio::test]
async fn malformed_filters_name_every_field() {
    let Team { olga, .. } = &team().await;
    let garbage = pb::TaskFilter {
        project_ids: vec!["x".to_owned()],
        statuses: vec![0],
        priorities: vec![9],
        assignee_ids: vec![new_id(); 101],
        creator_ids: vec![String::new()],
        all_tags: vec!["\n".to_owned()],
        any_tags: vec!["a".to_owned(); 51],
        no_tags: vec![String::new()],
        milestone_ids: vec!["x".to_owned()],
        start_at: Some(common::TimeRange::default()),
        due_at: Some(common::TimeRange { start_time: at(5), end_time: at(5) }),
        created_at: Some(common::TimeRange { start_time: at(i64::MAX), end_time: None }),
        updated_at: Some(common::TimeRange::default()),
        completed_at: Some(common::TimeRange { start_time: None, end_time: at(i64::MIN) }),
        estimated_duration: Some(common::DurationRange {
            min_duration: work_hours(3),
            max_duration: work_hours(2),
        }),
        actual_duration: Some(common::DurationRange::default()),
        position: Some(Position::AncestorTaskId("x".to_owned())),
        text: "x".repeat(501),
        metadata: Some(to_struct(&serde_json::json!({"a": "x".repeat(70_000)}))),
        ..Default::default()
    };
    let mut fields = violations(&refusal(olga, garbage).await);
    fields.dedup();
    let expected = [
        "start_at",
        "due_at.end_time",
        "created_at.start_time",
        "updated_at",
        "completed_at.end_time",
        "estimated_duration.max_duration",
        "actual_duration",
        "statuses[0]",
        "project_ids[0]",
        "priorities[0]",
        "assignee_ids",
        "creator_ids[0]",
        "all_tags[0]",
        "any_tags",
        "no_tags[0]",
        "ancestor_task_id",
        "milestone_ids[0]",
        "metadata",
        "text",
    ];
    assert_eq!(fields, expected.map(|field| format!("filter.{field}")));
}

#[tokio::test]
async fn contradictory_filters_are_refused() {
    let Team { olga, .. } = &team().await;
    let tags = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let some_time = Some(common::TimeRange { start_time: at(0), end_time: None });
    let done = vec![TaskStatus::Done.into()];
    let begun = vec![TaskStatus::InProgress.into()];
    for (field, filter) in [
        ("blocked", pb::TaskFilter { ready: true, blocked: true, ..Default::default() }),
        ("ready", pb::TaskFilter { ready: true, statuses: done.clone(), ..Default::default() }),
        ("blocked", pb::TaskFilter { blocked: true, statuses: begun.clone(), ..Default::default() }),
        ("overdue", pb::TaskFilter { overdue: true, statuses: done, ..Default::default() }),
        ("completed_at", pb::TaskFilter { completed_at: some_time, statuses: begun, ..Default::default() }),
        ("completed_at", pb::TaskFilter { completed_at: some_time, ready: true, ..Default::default() }),
        (
            "no_tags",
            pb::TaskFilter { all_tags: tags(&["a", "b"]), no_tags: tags(&["b"]), ..Default::default() },
        ),
        (
            "no_tags",
            pb::TaskFilter { any_tags: tags(&["a"]), no_tags: tags(&["a", "b"]), ..Default::default() },
        ),
        ("root", pb::TaskFilter { position: Some(Position::Root(false)), ..Default::default() }),
    ] {
        let refusal = refusal(olga, filter.clone()).await;
        assert_eq!(violations(&refusal), [format!("filter.{field}")], "{filter:?}");
    }
}

#[tokio::test]
async fn subtree_filters_are_complete_or_refused() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    let top = olga.task(project, "top").await;
    let child = create(olga, pb::Task { parent_task_id: Some(top.id.clone()), ..new_task(project, "a") });
    let child = child.await.unwrap();
    let below = pb::Task { parent_task_id: Some(child.id.clone()), ..new_task(project, "b") };
    create(olga, below).await.unwrap();
    olga.task(project, "elsewhere").await;
    let under = |top: &pb::Task| {
        let position = Some(Position::AncestorTaskId(top.id.clone()));
        list_of(pb::TaskFilter { position, ..in_project(project) })
    };
    let listed = olga.tasks().list_tasks(under(&top)).await.unwrap().into_inner().tasks;
    assert_eq!(listed.iter().map(|task| task.title.as_str()).collect::<Vec<_>>(), ["b", "a"]);

    crowd(suite, project, &child, 10_000).await;
    let refusal = olga.tasks().list_tasks(under(&top)).await.unwrap_err();
    assert_eq!(violations(&refusal), ["filter.ancestor_task_id"]);
    let position = Some(Position::AncestorTaskId(top.id.clone()));
    let everywhere = list_of(pb::TaskFilter { position, ..Default::default() });
    until("the copies are trusted", WAIT_LIMIT, async || {
        sam.tasks().list_tasks(everywhere.clone()).await.is_ok_and(|page| page.get_ref().tasks.is_empty())
    })
    .await;
}

/// Inserts many subtasks past the service.
async fn crowd(suite: &Suite, project: &proto::project::v1::Project, parent: &pb::Task, count: usize) {
    let insert = format!(
        "SET session_replication_role = replica; \
         INSERT INTO task.tasks (project_id, parent_task_id, title, creator_id, number, rank) \
         SELECT '{}', '{}', 'one of many', '{}', 1000 + i, lpad((1000 + i)::text, 12, '0') \
         FROM generate_series(1, {count}) i",
        project.id, parent.id, parent.creator_id
    );
    suite.execute(&insert).await;
}
