//! Histories and point-in-time reads.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel_async::SimpleAsyncConnection;
use prost::Message;
use prost_types::Timestamp;
use proto::common;
use proto::project::v1 as project;
use proto::task::v1 as pb;
use shared::json::to_timestamp;
use testkit::*;
use tonic::Status;

use crate::feed_replica::*;
use crate::fixtures::*;

type Tasks = BTreeMap<String, pb::Task>;

async fn history(who: &Actor, task_id: &str, page_size: i32) -> Result<Vec<pb::TaskEvent>, Status> {
    let (mut events, mut page_token) = (Vec::new(), String::new());
    loop {
        let task_id = task_id.to_owned();
        let request = pb::ListTaskHistoryRequest { task_id, changed_at: None, page_size, page_token };
        let page = who.tasks().list_task_history(request).await?.into_inner();
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            return Ok(events);
        }
        page_token = page.next_page_token;
    }
}

async fn task_at(who: &Actor, task_id: &str, at: DateTime<Utc>) -> Result<pb::Task, Status> {
    let request = pb::GetTaskAtRequest { task_id: task_id.to_owned(), at_time: Some(to_timestamp(at)) };
    who.tasks().get_task_at(request).await.map(tonic::Response::into_inner)
}

async fn tasks_at(who: &Actor, project_id: &str, at: DateTime<Utc>) -> Result<Tasks, Status> {
    let (mut tasks, mut page_token) = (Tasks::new(), String::new());
    loop {
        let request = pb::ListTasksAtRequest {
            project_id: project_id.to_owned(),
            at_time: Some(to_timestamp(at)),
            page_size: 3,
            page_token,
        };
        let page = who.tasks().list_tasks_at(request).await?.into_inner();
        tasks.extend(page.tasks.into_iter().map(|task| (task.id.clone(), task)));
        if page.next_page_token.is_empty() {
            return Ok(tasks);
        }
        page_token = page.next_page_token;
    }
}

/// One random change: of an existing task, or a new one.
async fn change(who: &Actor, project: &project::Project, now: &Tasks, roll: u64) {
    let some = now.values().nth(usize::try_from(roll / 7).unwrap() % now.len().max(1));
    match (roll % 5, some) {
        (0, Some(task)) => delete(who, task).await.unwrap(),
        (1 | 2, Some(task)) => {
            let title = format!("title {roll}");
            update(who, pb::Task { title, etag: String::new(), ..task.clone() }, &["title"]).await.unwrap();
        }
        (3, Some(task)) => {
            let _done_already = complete(who, task).await;
        }
        _ => {
            who.task(project, "new").await;
        }
    }
}

#[tokio::test]
async fn point_in_time_reads_match_recorded_states() {
    let Team { olga, vic, project, .. } = &team().await;
    let mut recorded: Vec<(DateTime<Utc>, Tasks)> = Vec::new();
    let mut seed: u64 = 5;
    for _ in 0..60 {
        let now = all_tasks(olga, &project.id).await;
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        change(olga, project, &now, seed >> 33).await;
        let state = all_tasks(olga, &project.id).await;
        let without_etag = |(id, task)| (id, pb::Task { etag: String::new(), ..task });
        recorded.push((Utc::now(), state.into_iter().map(without_etag).collect()));
    }
    let ids: std::collections::BTreeSet<_> = recorded.iter().flat_map(|(_, state)| state.keys()).collect();
    assert!(ids.len() > 10);
    for (at, state) in &recorded {
        assert_eq!(&tasks_at(vic, &project.id, *at).await.unwrap(), state, "{at}");
    }
    for (at, state) in recorded.iter().step_by(6) {
        for id in &ids {
            let found = task_at(vic, id, *at).await.map_err(|refusal| summary(&refusal));
            let expected = state.get(*id).cloned().ok_or("NOT_FOUND RESOURCE_NOT_FOUND".to_owned());
            assert_eq!(found, expected, "{at} {id}");
        }
    }
}

#[tokio::test]
async fn task_history_includes_deleted_tasks() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let made = olga.task(project, "buy milk").await;
    let given = pb::Task { title: "buy bread".to_owned(), ..made.clone() };
    let renamed = update(mia, given, &["title"]).await.unwrap();
    complete(mia, &renamed).await.unwrap();
    delete(olga, &made).await.unwrap();

    let told = history(vic, &made.id, 0).await.unwrap();
    let brief: Vec<_> =
        told.iter().map(|event| (kind_of(event), change_of(event).actor_id.clone())).collect();
    let [olga_id, mia_id] = [olga.id.to_string(), mia.id.to_string()];
    assert_eq!(
        brief,
        [
            (common::ChangeKind::Deleted, olga_id.clone()),
            (common::ChangeKind::Updated, mia_id.clone()),
            (common::ChangeKind::Updated, mia_id),
            (common::ChangeKind::Created, olga_id),
        ]
    );
    assert_eq!(task_of(&told[2]).after.as_ref(), Some(&renamed));
    let at = |event: &pb::TaskEvent| {
        change_of(event).changed_at.as_ref().map(|at| (at.seconds, at.nanos)).unwrap()
    };
    assert!(told.windows(2).all(|pair| at(&pair[0]) > at(&pair[1])));
    assert_eq!(history(vic, &made.id, 1).await.unwrap(), told);
}

#[tokio::test]
async fn history_of_an_invisible_task_is_not_found() {
    let Team { olga, sam, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    delete(olga, &task).await.unwrap();
    let refusals = [
        history(sam, &task.id, 0).await.unwrap_err(),
        task_at(sam, &task.id, Utc::now()).await.unwrap_err(),
        tasks_at(sam, &project.id, Utc::now()).await.unwrap_err(),
        history(olga, &new_id(), 0).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
}

#[tokio::test]
async fn point_in_time_reads_before_retention_are_out_of_range() {
    let Team { suite, olga, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    let before = Utc::now();
    let renamed = pb::Task { title: "buy bread".to_owned(), ..task.clone() };
    let renamed = update(olga, renamed, &["title"]).await.unwrap();
    let mut admin = suite.admin_of(task::NAME).await;
    admin.batch_execute("SELECT task.trim_change_log('0 seconds', 1000)").await.unwrap();
    let expired = "OUT_OF_RANGE CURSOR_EXPIRED";
    assert_eq!(summary(&task_at(olga, &task.id, before).await.unwrap_err()), expired);
    assert_eq!(summary(&tasks_at(olga, &project.id, before).await.unwrap_err()), expired);
    let now = pb::Task { etag: String::new(), ..renamed };
    assert_eq!(task_at(olga, &task.id, Utc::now()).await.unwrap(), now);
    assert_eq!(history(olga, &task.id, 0).await.unwrap(), []);
}

#[tokio::test]
async fn malformed_history_requests_are_refused() {
    let Team { olga, .. } = &team().await;
    let mut client = olga.tasks();
    let later = Some(Timestamp { seconds: 32_503_680_000, nanos: 0 });
    let refusals = [
        client
            .get_task_at(pb::GetTaskAtRequest { task_id: "x".to_owned(), at_time: later })
            .await
            .map(|_| ())
            .unwrap_err(),
        client
            .list_tasks_at(pb::ListTasksAtRequest { page_size: -1, ..Default::default() })
            .await
            .map(|_| ())
            .unwrap_err(),
    ];
    assert_eq!(violations(&refusals[0]), ["task_id", "at_time"]);
    assert_eq!(violations(&refusals[1]), ["page_size", "project_id", "at_time"]);
    let request = pb::ListTaskHistoryRequest { task_id: "x".to_owned(), ..Default::default() };
    assert_eq!(violations(&client.list_task_history(request).await.unwrap_err()), ["task_id"]);
}

#[tokio::test]
async fn history_filters_by_time_and_pages_end_before_four_mebibytes() {
    let Team { olga, project, .. } = &team().await;
    let description = Some("\u{6f22}".repeat(90_000));
    let task = create(olga, pb::Task { description, ..new_task(project, "0") }).await.unwrap();
    for number in 1..12 {
        let renamed = pb::Task { id: task.id.clone(), title: number.to_string(), ..Default::default() };
        update(olga, renamed, &["title"]).await.unwrap();
        let other = pb::Task { description: task.description.clone(), ..new_task(project, "x") };
        create(olga, other).await.unwrap();
    }
    let now = Some(to_timestamp(Utc::now()));
    let request = |page_token| pb::ListTaskHistoryRequest {
        task_id: task.id.clone(),
        page_size: 1_000,
        page_token,
        ..Default::default()
    };
    let (mut count, mut page_token) = (0, String::new());
    loop {
        let page = olga.tasks().list_task_history(request(page_token)).await.unwrap().into_inner();
        assert!(page.encoded_len() <= 4 * 1024 * 1024);
        count += page.events.len();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(count, 12);
    let changed_at = Some(common::TimeRange { start_time: now, end_time: None });
    let later = pb::ListTaskHistoryRequest { changed_at, ..request(String::new()) };
    assert!(olga.tasks().list_task_history(later).await.unwrap().into_inner().events.is_empty());

    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListTasksAtRequest {
            project_id: project.id.clone(),
            at_time: now,
            page_size: 1_000,
            page_token,
        };
        let page = olga.tasks().list_tasks_at(request).await.unwrap().into_inner();
        assert!(page.encoded_len() <= 4 * 1024 * 1024);
        ids.extend(page.tasks.into_iter().map(|task| task.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(ids.len() == 12 && ids.is_sorted(), "{ids:?}");
}

/// A transaction that writes when a moment is asked for belongs to the moment or not, but never both.
#[tokio::test]
async fn the_answer_for_a_moment_waits_for_those_who_were_writing_then() {
    let Team { suite, olga, project, .. } = &team().await;
    let task = olga.task(project, "old").await;
    let mut writer = suite.admin().await;
    writer.batch_execute("BEGIN").await.unwrap();
    let rename = format!("UPDATE task.tasks SET title = 'new' WHERE id = '{}'", task.id);
    writer.batch_execute(&rename).await.unwrap();

    let at = Utc::now();
    let read = async || tasks_at(olga, &project.id, at).await.unwrap()[&task.id].title.clone();
    let during = async {
        let waits = "pg_stat_activity WHERE datname = current_database() AND usename = 'task_service' \
                     AND query LIKE '%backend_xid%'";
        until("the read waits", WAIT_LIMIT, async || suite.count(waits).await > 0).await;
        writer.batch_execute("COMMIT").await.unwrap();
    };
    let (first, ()) = tokio::join!(read(), during);

    assert_eq!((first.as_str(), read().await.as_str()), ("new", "new"));
    let before = task_at(olga, &task.id, at).await.unwrap();
    assert_eq!(before.title, "new");
}
