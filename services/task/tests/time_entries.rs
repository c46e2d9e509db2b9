//! Time entries: running and given spans, and who may change them.

use proto::project::v1 as project;
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

/// A time on a day in the past.
pub fn at(minute: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 1_700_000_000 + 60 * minute, nanos: 0 })
}

/// A span of minutes on a task.
pub fn span(task: &pb::Task, from: i64, to: i64) -> pb::TimeEntry {
    pb::TimeEntry { task_id: task.id.clone(), started_at: at(from), ended_at: at(to), ..Default::default() }
}

pub async fn track(who: &Actor, entry: pb::TimeEntry) -> Result<pb::TimeEntry, Status> {
    let request = pb::CreateTimeEntryRequest { time_entry: Some(entry), ..Default::default() };
    who.time_entries().create_time_entry(request).await.map(tonic::Response::into_inner)
}

/// A time entry that runs from now on.
async fn start(who: &Actor, task: &pb::Task) -> Result<pb::TimeEntry, Status> {
    track(who, pb::TimeEntry { task_id: task.id.clone(), ..Default::default() }).await
}

async fn stop(who: &Actor, entry: &pb::TimeEntry) -> Result<pb::TimeEntry, Status> {
    let request = pb::StopTimeEntryRequest { time_entry_id: entry.id.clone(), etag: String::new() };
    who.time_entries().stop_time_entry(request).await.map(tonic::Response::into_inner)
}

async fn change(who: &Actor, entry: pb::TimeEntry, paths: &[&str]) -> Result<pb::TimeEntry, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateTimeEntryRequest {
        time_entry: Some(entry),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    who.time_entries().update_time_entry(request).await.map(tonic::Response::into_inner)
}

async fn remove(who: &Actor, entry: &pb::TimeEntry) -> Result<(), Status> {
    let request = pb::DeleteTimeEntryRequest { time_entry_id: entry.id.clone(), etag: String::new() };
    who.time_entries().delete_time_entry(request).await.map(drop)
}

async fn read(who: &Actor, entry: &pb::TimeEntry) -> Result<pb::TimeEntry, Status> {
    let request = pb::GetTimeEntryRequest { time_entry_id: entry.id.clone() };
    who.time_entries().get_time_entry(request).await.map(tonic::Response::into_inner)
}

/// The work so far of a task, in minutes.
async fn work_of(who: &Actor, task: &pb::Task) -> i64 {
    get(who, task).await.unwrap().actual_duration.map_or(0, |work| work.seconds / 60)
}

#[tokio::test]
async fn a_user_has_one_running_time_entry_in_all_projects() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let task = olga.task(project, "fly").await;
    let elsewhere = olga.task(&olga.project("gemini").await, "far").await;
    let running = start(olga, &task).await.unwrap();
    assert_eq!((running.user_id.clone(), running.ended_at), (olga.id.to_string(), None));
    assert_eq!((running.project_id.as_str(), running.duration), (project.id.as_str(), None));
    let refusal = start(olga, &elsewhere).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TIME_ENTRY_RUNNING");
    // Others have their own, and a span that has ended is no second one.
    start(mia, &task).await.unwrap();
    track(olga, span(&elsewhere, 0, 5)).await.unwrap();
    let stopped = stop(olga, &running).await.unwrap();
    assert!(stopped.ended_at.is_some() && stopped.duration.is_some());
    assert_eq!(stop(olga, &running).await.unwrap(), stopped);
    assert_eq!(read(vic, &running).await.unwrap(), stopped);
    start(olga, &elsewhere).await.unwrap();
    let again = change(olga, pb::TimeEntry { ended_at: None, ..stopped }, &["ended_at"]).await.unwrap_err();
    assert_eq!(summary(&again), "FAILED_PRECONDITION TIME_ENTRY_RUNNING");
}

#[tokio::test]
async fn of_many_starts_at_once_one_succeeds() {
    let Team { olga, mia, project, .. } = &team().await;
    let task = olga.task(project, "fly").await;
    let starts = futures::future::join_all((0..8).map(|_| start(mia, &task))).await;
    let (started, refused): (Vec<_>, Vec<_>) = starts.into_iter().partition(Result::is_ok);
    assert_eq!(started.len(), 1);
    for refusal in refused {
        assert_eq!(summary(&refusal.unwrap_err()), "FAILED_PRECONDITION TIME_ENTRY_RUNNING");
    }
}

#[tokio::test]
async fn create_time_entry_retries_return_the_first_one() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "fly").await;
    let entry = Some(pb::TimeEntry { note: Some("up".to_owned()), ..span(&task, 0, 90) });
    let request = pb::CreateTimeEntryRequest { request_id: new_id(), time_entry: entry };
    let first = olga.time_entries().create_time_entry(request.clone()).await.unwrap().into_inner();
    let again = olga.time_entries().create_time_entry(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!((first.duration, first.note.as_deref()), (work_minutes(90), Some("up")));
    let other = pb::CreateTimeEntryRequest { time_entry: Some(span(&task, 0, 91)), ..request };
    let refusal = olga.time_entries().create_time_entry(other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
    assert_eq!(work_of(olga, &task).await, 90);
}

#[tokio::test]
async fn time_entries_add_to_work_that_was_set_by_hand() {
    let Team { olga, mia, project, .. } = &team().await;
    let task = pb::Task { actual_duration: work_hours(2), ..new_task(project, "fly") };
    let task = create(olga, task).await.unwrap();
    let running = start(mia, &task).await.unwrap();
    assert_eq!(get(olga, &task).await.unwrap(), task);
    remove(mia, &running).await.unwrap();

    let entry = track(mia, span(&task, 0, 30)).await.unwrap();
    assert_eq!(work_of(olga, &task).await, 150);
    // Half a minute more is rounded up, together with that of another entry.
    let seconds = |minute, seconds| {
        at(minute).map(|time| prost_types::Timestamp { seconds: time.seconds + seconds, ..time })
    };
    let longer = pb::TimeEntry { ended_at: seconds(45, 30), ..entry.clone() };
    let longer = change(mia, longer, &["ended_at"]).await.unwrap();
    assert_eq!(work_of(olga, &task).await, 166);
    track(olga, pb::TimeEntry { ended_at: seconds(10, 30), ..span(&task, 0, 10) }).await.unwrap();
    assert_eq!(work_of(olga, &task).await, 176);

    // A correction by hand stays, and the next entry is added to it.
    let corrected = pb::Task { id: task.id.clone(), actual_duration: work_hours(1), ..Default::default() };
    update(olga, corrected, &["actual_duration"]).await.unwrap();
    assert_eq!(work_of(olga, &task).await, 60);
    remove(mia, &longer).await.unwrap();
    assert_eq!(work_of(olga, &task).await, 15);
    let cleared = pb::Task { id: task.id.clone(), ..Default::default() };
    update(olga, cleared, &["actual_duration"]).await.unwrap();
    let last = track(mia, span(&task, 100, 101)).await.unwrap();
    assert_eq!(work_of(olga, &task).await, 1);
    remove(mia, &last).await.unwrap();
    assert_eq!(get(olga, &task).await.unwrap().actual_duration, None);
}

#[tokio::test]
async fn changes_at_once_are_all_summed_up() {
    let Team { olga, mia, project, .. } = &team().await;
    let task = olga.task(project, "fly").await;
    let spans = (0..12).map(|i| track(if i % 2 == 0 { olga } else { mia }, span(&task, i, i + 10)));
    for made in futures::future::join_all(spans).await {
        made.unwrap();
    }
    assert_eq!(work_of(olga, &task).await, 120);
}

#[tokio::test]
async fn users_change_their_own_time_and_admins_that_of_others() {
    let Team { suite, olga, mia, vic, sam, project } = &team().await;
    let [max] = suite.guests(["max"]).await;
    olga.add(project, &max, project::ProjectRole::Member).await;
    let task = olga.task(project, "fly").await;
    let entry = track(mia, span(&task, 0, 30)).await.unwrap();
    let refused = async |who: &Actor| {
        let noted = pb::TimeEntry { note: Some("mine".to_owned()), ..entry.clone() };
        let refusals = [
            change(who, noted, &["note"]).await.map(drop).unwrap_err(),
            stop(who, &entry).await.map(drop).unwrap_err(),
            remove(who, &entry).await.unwrap_err(),
        ];
        refusals.map(|refusal| summary(&refusal))
    };
    assert_eq!(refused(&max).await, ["PERMISSION_DENIED PERMISSION_MISSING"; 3]);
    assert_eq!(refused(vic).await, ["PERMISSION_DENIED PERMISSION_MISSING"; 3]);
    assert_eq!(refused(sam).await, ["NOT_FOUND RESOURCE_NOT_FOUND"; 3]);
    assert_eq!(summary(&start(vic, &task).await.unwrap_err()), "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(summary(&start(sam, &task).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(summary(&read(sam, &entry).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    let noted = pb::TimeEntry { note: Some("checked".to_owned()), ..entry.clone() };
    let changed = change(olga, noted, &["note"]).await.unwrap();
    assert_eq!((changed.user_id, changed.note.as_deref()), (mia.id.to_string(), Some("checked")));
    let stale = change(mia, entry.clone(), &["note"]).await.unwrap_err();
    assert_eq!(summary(&stale), "ABORTED ETAG_MISMATCH");
    remove(olga, &entry).await.unwrap();
    assert_eq!(summary(&read(mia, &entry).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(summary(&remove(mia, &entry).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn the_running_time_of_a_user_who_leaves_a_project_ends() {
    let Team { olga, mia, project, .. } = &team().await;
    let task = olga.task(project, "fly").await;
    let running = start(mia, &task).await.unwrap();
    let removal = project::RemoveMemberRequest {
        project_id: project.id.clone(),
        user_id: mia.id.to_string(),
        ..Default::default()
    };
    olga.members().remove_member(removal).await.unwrap();
    until("the time entry ends", WAIT_LIMIT, async || read(olga, &running).await.unwrap().ended_at.is_some())
        .await;
    let own = mia.project("gemini").await;
    start(mia, &mia.task(&own, "free").await).await.unwrap();
}

#[tokio::test]
async fn malformed_time_entries_name_every_field() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "fly").await;
    let garbage = pb::TimeEntry {
        id: "x".to_owned(),
        task_id: "x".to_owned(),
        ended_at: in_hours(1),
        note: Some("x".repeat(501)),
        ..Default::default()
    };
    let fields = violations(&track(olga, garbage).await.unwrap_err());
    let expected = ["id", "task_id", "ended_at", "note", "started_at"];
    assert_eq!(fields, expected.map(|field| format!("time_entry.{field}")));
    let backwards = track(olga, span(&task, 5, 5)).await.unwrap_err();
    assert_eq!(violations(&backwards), ["time_entry.ended_at"]);
    let nowhere = pb::TimeEntry { task_id: new_id(), ..span(&task, 0, 5) };
    assert_eq!(summary(&track(olga, nowhere).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    let entry = track(olga, span(&task, 0, 5)).await.unwrap();
    let late = pb::TimeEntry { started_at: at(6), ..entry.clone() };
    assert_eq!(violations(&change(olga, late, &["started_at"]).await.unwrap_err()), ["time_entry.ended_at"]);
    let without = pb::TimeEntry { started_at: None, ..entry.clone() };
    assert_eq!(
        violations(&change(olga, without, &["started_at"]).await.unwrap_err()),
        ["time_entry.started_at"]
    );
    let refusal = change(olga, entry, &["user_id"]).await.unwrap_err();
    assert_eq!(violations(&refusal), ["update_mask"]);
}
