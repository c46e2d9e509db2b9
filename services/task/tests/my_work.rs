//! The caller's work.

use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use prost_types::Timestamp;
use proto::project::v1::{Project, ProjectRole};
use proto::task::v1 as pb;
use proto::task::v1::TaskStatus;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn work(who: &Actor, request: pb::GetMyWorkRequest) -> Result<pb::MyWork, Status> {
    Ok(who.tasks().get_my_work(request).await?.into_inner())
}

/// The titles in each group.
fn shown(work: &pb::MyWork) -> [String; 6] {
    [&work.overdue, &work.due_today, &work.due_soon, &work.in_progress, &work.ready, &work.blocked].map(
        |group| {
            let group = group.as_ref().unwrap();
            group.tasks.iter().map(|task| task.title.as_str()).collect::<Vec<_>>().join(" ")
        },
    )
}

async fn mine(who: &Actor, project: &Project, title: &str, due_at: Option<Timestamp>) -> pb::Task {
    let assignee_id = Some(who.id.to_string());
    create(who, pb::Task { assignee_id, due_at, ..new_task(project, title) }).await.unwrap()
}

#[tokio::test]
async fn my_work_is_grouped_by_status_and_due_date() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let other = olga.project("gemini").await;
    olga.add(&other, mia, ProjectRole::Member).await;
    let late = mine(mia, project, "late", in_hours(1)).await;
    mine(mia, project, "today", in_hours(3)).await;
    mine(mia, &other, "soon", in_hours(30)).await;
    mine(mia, &other, "far", in_hours(300)).await;
    let begun = mine(mia, project, "begun", None).await;
    let begun = pb::Task { status: TaskStatus::InProgress.into(), ..begun };
    update(mia, begun, &["status"]).await.unwrap();
    let waiting = mine(mia, project, "waiting", None).await;
    let blocker = olga.task(project, "of nobody").await;
    blocks(mia, &waiting, &blocker).await.unwrap();
    let done = mine(mia, project, "done", None).await;
    complete(mia, &done).await.unwrap();
    sql_query("UPDATE task.tasks SET created_at = now() - interval '2 hours', due_date = now() - interval '1 hour' WHERE id = $1::uuid")
        .bind::<Text, _>(&late.id)
        .execute(&mut suite.admin_of(task::NAME).await)
        .await
        .unwrap();

    let request = pb::GetMyWorkRequest {
        project_ids: vec![project.id.clone(), other.id.clone()],
        today_end_time: in_hours(10),
        soon_end_time: in_hours(100),
        group_size: 0,
    };
    let found = work(mia, request.clone()).await.unwrap();
    assert_eq!(shown(&found), ["late", "today", "soon", "begun", "late today soon far", "waiting"]);

    complete(olga, &blocker).await.unwrap();
    let here = pb::GetMyWorkRequest { project_ids: vec![project.id.clone()], ..Default::default() };
    let found = work(mia, here).await.unwrap();
    assert_eq!(shown(&found), ["late", "", "", "begun", "late today waiting", ""]);

    let few = work(mia, pb::GetMyWorkRequest { group_size: 1, ..request.clone() }).await.unwrap();
    assert_eq!(shown(&few)[4], "late");
    assert_eq!(few.ready.unwrap().total_count, 5);
    until("trusted", WAIT_LIMIT, async || work(mia, pb::GetMyWorkRequest::default()).await.is_ok()).await;
    let everywhere = pb::GetMyWorkRequest { project_ids: Vec::new(), ..request };
    assert_eq!(shown(&work(mia, everywhere.clone()).await.unwrap())[0], "late");
    assert_eq!(shown(&work(olga, everywhere).await.unwrap()), [""; 6]);
}

#[tokio::test]
async fn my_work_groups_continue_with_list_tasks() {
    let Team { mia, project, .. } = &team().await;
    for title in ["a", "b", "c"] {
        mine(mia, project, title, None).await;
    }
    let filter = pb::TaskFilter {
        project_ids: vec![project.id.clone()],
        assignee_ids: vec![mia.id.to_string()],
        ready: true,
        ..Default::default()
    };
    let request = pb::ListTasksRequest { filter: Some(filter), ..Default::default() };
    assert_eq!(mia.tasks().list_tasks(request).await.unwrap().into_inner().tasks.len(), 3);
}

#[tokio::test]
async fn my_work_refuses_invisible_projects_and_malformed_requests() {
    let Team { suite, mia, sam, project, .. } = &team().await;
    let here = pb::GetMyWorkRequest { project_ids: vec![project.id.clone()], ..Default::default() };
    let refusal = work(sam, here.clone()).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let refusal = work(&suite.anonymous(), here).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
    let garbage = pb::GetMyWorkRequest {
        project_ids: vec!["x".to_owned()],
        today_end_time: in_hours(-1),
        soon_end_time: in_hours(-2),
        group_size: -1,
    };
    let refusal = work(mia, garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_ids[0]", "today_end_time", "soon_end_time", "group_size"]);
}
