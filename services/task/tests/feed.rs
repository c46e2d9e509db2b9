//! Watching a project's tasks.

use diesel_async::SimpleAsyncConnection;
use proto::common;
use proto::task::v1 as pb;
use testkit::*;

use crate::feed_replica::*;
use crate::fixtures::*;

#[tokio::test]
async fn watch_tasks_reports_actor_and_both_states() {
    let Team { suite, olga, vic, project, .. } = &team().await;
    let (mut stream, _) = open(suite, vic, watch(&project.id, "")).await.unwrap();
    let made = olga.task(project, "buy milk").await;
    let renamed = pb::Task { title: "buy bread".to_owned(), ..made.clone() };
    let renamed = update(olga, renamed, &["title"]).await.unwrap();
    delete(olga, &renamed).await.unwrap();

    let told = events(&mut stream, 3).await;
    let kinds: Vec<_> = told.iter().map(kind_of).collect();
    assert_eq!(
        kinds,
        [common::ChangeKind::Created, common::ChangeKind::Updated, common::ChangeKind::Deleted]
    );
    assert!(told.iter().all(
        |event| change_of(event).actor_id == olga.id.to_string() && !change_of(event).trace_id.is_empty()
    ));
    assert!(
        change_of(&told[0]).sequence < change_of(&told[1]).sequence
            && change_of(&told[1]).sequence < change_of(&told[2]).sequence
    );
    assert_eq!((&task_of(&told[0]).before, &task_of(&told[0]).after), (&None, &Some(made.clone())));
    let without_etag = |task: &pb::Task| Some(pb::Task { etag: String::new(), ..task.clone() });
    assert_eq!(task_of(&told[1]).before, without_etag(&made));
    assert_eq!(task_of(&told[1]).after.as_ref(), Some(&renamed));
    assert_eq!(change_of(&told[1]).changed_fields, ["title", "updated_at"]);
    assert_eq!((&task_of(&told[2]).before, &task_of(&told[2]).after), (&without_etag(&renamed), &None));
}

#[tokio::test]
async fn watch_tasks_reports_dependencies_deleted_with_their_task() {
    let Team { suite, olga, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    let (mut stream, _) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    let link = link(olga, &a, &b, pb::DependencyType::RelatesTo).await.unwrap();
    let told = events(&mut stream, 1).await;
    assert_eq!(dependency_of(&told[0]).after.as_ref(), Some(&link));

    delete(olga, &a).await.unwrap();
    let told = events(&mut stream, 2).await;
    assert_eq!(told.iter().map(kind_of).collect::<Vec<_>>(), [common::ChangeKind::Deleted; 2]);
    assert_eq!(id_of(&told[0]), a.id);
    assert_eq!((&dependency_of(&told[1]).before, &dependency_of(&told[1]).after), (&Some(link), &None));
}

#[tokio::test]
async fn watch_filters_match_the_state_before_or_after() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    let of = async |filter: pb::TaskEventFilter| {
        let request = pb::WatchTasksRequest { filter: Some(filter), ..watch(&project.id, "") };
        open(suite, olga, request).await.unwrap().0
    };
    let assignee_ids = vec![mia.id.to_string()];
    let mut mine = of(pb::TaskEventFilter { assignee_ids, ..Default::default() }).await;
    let mut begun = of(pb::TaskEventFilter {
        statuses: vec![pb::TaskStatus::InProgress.into()],
        resource_types: vec![common::ResourceType::Task.into()],
        ..Default::default()
    })
    .await;
    let mut only_b = of(pb::TaskEventFilter { task_ids: vec![b.id.clone()], ..Default::default() }).await;
    let kinds = vec![common::ChangeKind::Deleted.into()];
    let mut deleted = of(pb::TaskEventFilter { kinds, ..Default::default() }).await;
    let mut mias = of(pb::TaskEventFilter { actor_id: mia.id.to_string(), ..Default::default() }).await;

    let given = pb::Task { assignee_id: Some(mia.id.to_string()), ..a.clone() };
    let given = update(olga, given, &["assignee_id"]).await.unwrap();
    let taken = update(olga, pb::Task { assignee_id: None, ..given }, &["assignee_id"]).await.unwrap();
    update(olga, pb::Task { status: pb::TaskStatus::InProgress.into(), ..taken }, &["status"]).await.unwrap();
    let link = blocks(olga, &a, &b).await.unwrap();
    delete(olga, &b).await.unwrap();

    let told = events(&mut mine, 4).await;
    assert!(
        told.iter().take(2).all(|event| change_of(event).changed_fields == ["assignee_id", "updated_at"])
    );
    assert!(told.iter().skip(2).all(|event| id_of(event) == link.id));
    assert_eq!(id_of(&events(&mut begun, 1).await[0]), a.id);
    let told = events(&mut only_b, 3).await;
    assert_eq!(id_of(&told[0]), link.id);
    assert_eq!(id_of(&told[1]), b.id);
    assert_eq!(events(&mut deleted, 2).await.len(), 2);
    let hers = mia.task(project, "hers").await;
    assert_eq!(id_of(&events(&mut mias, 1).await[0]), hers.id);
}

#[tokio::test]
async fn resume_tokens_continue_without_gaps() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let (mut stream, start) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    let first = next(&mut stream).await.unwrap().unwrap();
    assert_eq!(id_of(&first.events[0]), a.id);
    drop(stream);

    let (mut stream, _) = open(suite, olga, watch(&project.id, &start)).await.unwrap();
    let again = events(&mut stream, 2).await;
    assert_eq!([id_of(&again[0]), id_of(&again[1])], [&a.id, &b.id]);

    let refused = "INVALID_ARGUMENT RESUME_TOKEN_INVALID";
    let only_tasks =
        pb::TaskEventFilter { resource_types: vec![common::ResourceType::Task.into()], ..Default::default() };
    let other_filter = pb::WatchTasksRequest { filter: Some(only_tasks), ..watch(&project.id, &start) };
    assert_eq!(summary(&open(suite, olga, other_filter).await.unwrap_err()), refused);
    assert_eq!(summary(&open(suite, mia, watch(&project.id, &start)).await.unwrap_err()), refused);
    assert_eq!(summary(&open(suite, olga, watch(&project.id, "garbage")).await.unwrap_err()), refused);
}

#[tokio::test]
async fn heartbeat_tokens_survive_trimming() {
    let Team { suite, olga, project, .. } = &team().await;
    let (mut stream, start) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    olga.task(&olga.project("elsewhere").await, "of another project").await;
    let mut admin = suite.admin_of(task::NAME).await;
    let beat = next(&mut stream).await.unwrap().unwrap();
    assert!(beat.events.is_empty());
    admin.batch_execute("SELECT task.trim_change_log('0 seconds', 1000)").await.unwrap();
    let expired = open(suite, olga, watch(&project.id, &start)).await.unwrap_err();
    assert_eq!(summary(&expired), "OUT_OF_RANGE CURSOR_EXPIRED");
    open(suite, olga, watch(&project.id, &beat.resume_token)).await.unwrap();
}

#[tokio::test]
async fn malformed_watch_requests_are_refused() {
    let Team { suite, olga, .. } = &team().await;
    let request = pb::WatchTasksRequest {
        project_id: "x".to_owned(),
        filter: Some(pb::TaskEventFilter {
            kinds: vec![0, 9],
            resource_types: vec![common::ResourceType::Project.into()],
            actor_id: "w".to_owned(),
            task_ids: vec!["y".to_owned()],
            statuses: vec![99],
            assignee_ids: vec!["z".to_owned()],
        }),
        ..Default::default()
    };
    let refusal = open(suite, olga, request).await.unwrap_err();
    let fields = [
        "kinds[0]",
        "kinds[1]",
        "resource_types[0]",
        "actor_id",
        "task_ids[0]",
        "statuses[0]",
        "assignee_ids[0]",
    ];
    let expected: Vec<_> = fields.iter().map(|field| format!("filter.{field}")).collect();
    assert_eq!(violations(&refusal), [vec!["project_id".to_owned()], expected].concat());
    let task_ids = vec![new_id(); 1_001];
    let filter = Some(pb::TaskEventFilter { task_ids, ..Default::default() });
    let many = pb::WatchTasksRequest { filter, ..watch(&new_id(), "") };
    assert_eq!(violations(&open(suite, olga, many).await.unwrap_err()), ["filter.task_ids"]);
}

#[tokio::test]
async fn watch_streams_end_without_error_on_shutdown() {
    let Team { mut suite, olga, project, .. } = team().await;
    let (mut stream, _) = open(&suite, &olga, watch(&project.id, "")).await.unwrap();
    let (stopped, (told, status)) = tokio::join!(suite.stop(), end(&mut stream));
    assert_eq!((stopped, told, status.map(|status| summary(&status))), ((), Vec::new(), None));
}
