//! Lists and reports of time, its feed and its import.

use proto::common;
use proto::task::admin::v1 as admin;
use proto::task::v1 as pb;
use testkit::*;

use crate::fixtures::*;
use crate::time_entries::{at, span, track};

fn in_one(project: &proto::project::v1::Project) -> pb::TimeEntryFilter {
    pb::TimeEntryFilter { project_ids: vec![project.id.clone()], ..Default::default() }
}

/// The starts of the listed entries, in minutes, page by page.
async fn starts(who: &Actor, filter: pb::TimeEntryFilter) -> Vec<i64> {
    let mut request = pb::ListTimeEntriesRequest { filter: Some(filter), page_size: 2, ..Default::default() };
    let mut found = Vec::new();
    loop {
        let page = who.time_entries().list_time_entries(request.clone()).await.unwrap().into_inner();
        let start = |entry: &pb::TimeEntry| (entry.started_at.unwrap().seconds - at(0).unwrap().seconds) / 60;
        found.extend(page.time_entries.iter().map(start));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn time_is_listed_by_project_task_user_and_range() {
    let Team { olga, mia, vic, sam, project, .. } = &team().await;
    let [fly, land] = [olga.task(project, "fly").await, olga.task(project, "land").await];
    let other = olga.project("gemini").await;
    let far = olga.task(&other, "far").await;
    for (who, task, from, to) in [
        (olga, &fly, 0, 10),
        (mia, &fly, 20, 30),
        (mia, &land, 5, 25),
        (olga, &land, 40, 50),
        (olga, &far, 1, 2),
    ] {
        track(who, span(task, from, to)).await.unwrap();
    }
    assert_eq!(starts(vic, in_one(project)).await, [40, 20, 5, 0]);
    assert_eq!(starts(vic, pb::TimeEntryFilter::default()).await, [40, 20, 5, 0]);
    assert_eq!(starts(olga, pb::TimeEntryFilter::default()).await, [40, 20, 5, 1, 0]);
    assert_eq!(starts(sam, pb::TimeEntryFilter::default()).await, [0; 0]);
    let of_task = pb::TimeEntryFilter { task_ids: vec![fly.id.clone()], ..Default::default() };
    assert_eq!(starts(vic, of_task).await, [20, 0]);
    let of_user = pb::TimeEntryFilter { user_ids: vec![mia.id.to_string()], ..in_one(project) };
    assert_eq!(starts(vic, of_user).await, [20, 5]);
    let range = |start, end| Some(common::TimeRange { start_time: start, end_time: end });
    for (worked_at, expected) in
        [(range(at(10), at(20)), &[5][..]), (range(at(9), None), &[40, 20, 5, 0]), (range(None, at(5)), &[0])]
    {
        let filter = pb::TimeEntryFilter { worked_at, ..in_one(project) };
        assert_eq!(starts(vic, filter).await, expected, "{worked_at:?}");
    }
    let hidden = pb::ListTimeEntriesRequest { filter: Some(in_one(project)), ..Default::default() };
    let refusal = sam.time_entries().list_time_entries(hidden).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let running = pb::TimeEntry { ended_at: None, ..span(&fly, 60, 60) };
    track(mia, running).await.unwrap();
    let request = pb::ListTimeEntriesRequest { running: true, ..Default::default() };
    let running = vic.time_entries().list_time_entries(request).await.unwrap().into_inner().time_entries;
    assert_eq!((running.len(), running[0].user_id.clone()), (1, mia.id.to_string()));
}

async fn report(who: &Actor, filter: pb::TimeEntryFilter, groups: &[pb::TimeReportGroup]) -> pb::TimeReport {
    let groups = groups.iter().map(|group| (*group).into()).collect();
    let request = pb::GetTimeReportRequest { filter: Some(filter), groups };
    who.time_entries().get_time_report(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn reports_sum_up_the_time_within_a_range() {
    let Team { olga, mia, vic, sam, project, .. } = &team().await;
    let [fly, land] = [olga.task(project, "fly").await, olga.task(project, "land").await];
    for (who, task, from, to) in [(olga, &fly, 0, 10), (mia, &fly, 20, 30), (mia, &land, 5, 25)] {
        track(who, span(task, from, to)).await.unwrap();
    }
    track(olga, pb::TimeEntry { ended_at: None, ..span(&fly, 0, 0) }).await.unwrap();
    let minutes = |row: &pb::TimeReportRow| row.duration.unwrap().seconds / 60;

    let totals = report(vic, in_one(project), &[]).await;
    assert_eq!((totals.total_duration, totals.total_count, totals.rows.len()), (work_minutes(40), 3, 0));
    let by_user = report(vic, in_one(project), &[pb::TimeReportGroup::User]).await;
    let rows: Vec<_> =
        by_user.rows.iter().map(|row| (row.user_id.clone(), minutes(row), row.count)).collect();
    assert_eq!(rows, [(mia.id.to_string(), 30, 2), (olga.id.to_string(), 10, 1)]);
    assert!(by_user.rows.iter().all(|row| row.task_id.is_empty() && row.project_id.is_empty()));

    // Of each entry, the part from minute 8 to minute 22.
    let worked_at = Some(common::TimeRange { start_time: at(8), end_time: at(22) });
    let groups = [pb::TimeReportGroup::Project, pb::TimeReportGroup::Task, pb::TimeReportGroup::User];
    let part = report(vic, pb::TimeEntryFilter { worked_at, ..in_one(project) }, &groups).await;
    let rows: Vec<_> = part.rows.iter().map(|row| (row.task_id.as_str(), minutes(row))).collect();
    assert_eq!(rows[0], (land.id.as_str(), 14));
    assert_eq!((rows[1], rows[2]), ((fly.id.as_str(), 2), (fly.id.as_str(), 2)));
    assert!(part.rows.iter().all(|row| row.project_id == project.id && !row.user_id.is_empty()));
    assert_eq!((part.total_duration, part.total_count, part.truncated), (work_minutes(18), 3, false));

    let nothing = report(sam, pb::TimeEntryFilter::default(), &groups).await;
    assert_eq!((nothing.total_duration, nothing.total_count, nothing.rows.len()), (work_minutes(0), 0, 0));
    let twice = pb::GetTimeReportRequest { filter: None, groups: vec![1, 1, 0, 9] };
    let refusal = vic.time_entries().get_time_report(twice).await.unwrap_err();
    assert_eq!(violations(&refusal), ["groups[2]", "groups[3]", "groups"]);
}

#[tokio::test]
async fn a_report_names_the_thousand_largest_rows() {
    let Team { suite, olga, project, .. } = &team().await;
    suite
        .execute(&format!(
            "SET session_replication_role = replica; \
             INSERT INTO task.time_entries (task_id, project_id, user_id, started_at, ended_at) \
             SELECT gen_random_uuid(), '{}', '{}', now() - interval '1 day', now() - interval '1 day' + i * interval '1 second' \
             FROM generate_series(1, 1100) i",
            project.id, olga.id
        ))
        .await;
    let made = report(olga, in_one(project), &[pb::TimeReportGroup::Task]).await;
    assert_eq!((made.rows.len(), made.truncated, made.total_count), (1_000, true, 1_100));
    assert_eq!(made.rows[0].duration.unwrap().seconds, 1_100);
    assert_eq!(made.total_duration.unwrap().seconds, 1_100 * 1_101 / 2);
}

#[tokio::test]
async fn the_feed_has_time_entries_and_the_work_that_they_change() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let task = olga.task(project, "fly").await;
    let filter = pb::TaskEventFilter { task_ids: vec![task.id.clone()], ..Default::default() };
    let request =
        pb::WatchTasksRequest { project_id: project.id.clone(), filter: Some(filter), ..Default::default() };
    let mut watch = vic.tasks().watch_tasks(request).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().unwrap().events.is_empty());
    let entry = track(mia, span(&task, 0, 30)).await.unwrap();
    let mut events = Vec::new();
    while events.len() < 2 {
        events.extend(watch.message().await.unwrap().unwrap().events);
    }
    let Some(pb::task_event::Resource::TimeEntry(change)) = events.remove(0).resource else {
        panic!("no time entry: {events:?}")
    };
    assert_eq!((change.before, change.after), (None, Some(entry.clone())));
    let changed = events.remove(0).change.unwrap();
    assert_eq!(changed.actor_id, mia.id.to_string());
    assert_eq!(changed.changed_fields, ["actual_duration", "updated_at"]);
    delete(olga, &task).await.unwrap();
    while events.len() < 2 {
        events.extend(watch.message().await.unwrap().unwrap().events);
    }
    let types: Vec<_> = events.iter().map(|event| event.change.as_ref().unwrap().resource_type()).collect();
    assert_eq!(types, [common::ResourceType::Task, common::ResourceType::TimeEntry]);
}

async fn import(suite: &Suite, time_entries: Vec<admin::ImportedTimeEntry>) -> Vec<String> {
    let mut client = crate::import::importer(suite);
    let request = admin::ImportTimeEntriesRequest { time_entries };
    let mut answers = client.import_time_entries(tokio_stream::iter([request])).await.unwrap().into_inner();
    crate::import::shown(&answers.message().await.unwrap().unwrap().results)
}

#[tokio::test]
async fn imported_time_is_part_of_the_work_of_its_task_already() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let task = pb::Task { actual_duration: work_hours(5), ..new_task(project, "fly") };
    let task = create(olga, task).await.unwrap();
    let item = |from, to| admin::ImportedTimeEntry {
        line: 7,
        id: new_id(),
        task_id: task.id.clone(),
        user_id: mia.id.to_string(),
        started_at: at(from),
        ended_at: to,
        ..Default::default()
    };
    let first = item(0, at(90));
    let batch = vec![
        first.clone(),
        admin::ImportedTimeEntry { task_id: new_id(), ..item(0, at(1)) },
        admin::ImportedTimeEntry { user_id: new_id(), ..item(0, at(1)) },
        item(9, at(8)),
        admin::ImportedTimeEntry { started_at: None, ..item(0, None) },
        item(10, None),
        item(20, None),
    ];
    expect_test::expect![[r#"
        [
            "7 C",
            "7 R task_id names no task",
            "7 R user_id names no user",
            "7 R ended_at: must be later than started_at",
            "7 R started_at: must be given",
            "7 C",
            "7 R the user has another running time entry",
        ]
    "#]]
    .assert_debug_eq(&import(suite, batch).await);
    assert_eq!(import(suite, vec![first.clone()]).await, ["7 U"]);
    let untouched = get(olga, &task).await.unwrap();
    assert_eq!((untouched.actual_duration, untouched.updated_at), (task.actual_duration, task.updated_at));
    let request = pb::DeleteTimeEntryRequest { time_entry_id: first.id, etag: String::new() };
    mia.time_entries().delete_time_entry(request).await.unwrap();
    assert_eq!(get(olga, &task).await.unwrap().actual_duration, work_minutes(5 * 60 - 90));
}
