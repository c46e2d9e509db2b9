//! The orders of lists.

use proto::project::v1::Project;
use proto::task::v1 as pb;
use proto::task::v1::{TaskOrder, TaskPriority};
use testkit::*;

use crate::fixtures::*;

/// The titles on each page.
async fn pages(who: &Actor, mut request: pb::ListTasksRequest) -> Vec<String> {
    let mut pages = Vec::new();
    loop {
        let page = who.tasks().list_tasks(request.clone()).await.unwrap().into_inner();
        pages.push(page.tasks.into_iter().map(|task| task.title).collect::<String>());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return pages;
        }
    }
}

fn ordered(project: &Project, order: TaskOrder) -> pb::ListTasksRequest {
    pb::ListTasksRequest { page_size: 2, order: order.into(), ..list_of(in_project(project)) }
}

/// Five tasks, created as `c`, `A`, `e`, `B`, `d`; `B` was updated last, `A` is first in the manual order.
async fn five(who: &Actor, project: &Project) -> Vec<pb::Task> {
    let mut made = Vec::new();
    for (title, priority, start, due) in [
        ("c", TaskPriority::Low, in_hours(3), in_hours(9)),
        ("A", TaskPriority::Urgent, in_hours(4), None),
        ("e", TaskPriority::Medium, None, in_hours(5)),
        ("B", TaskPriority::High, in_hours(2), in_hours(7)),
        ("d", TaskPriority::Low, None, None),
    ] {
        let request =
            pb::Task { priority: priority.into(), start_at: start, due_at: due, ..new_task(project, title) };
        made.push(create(who, request).await.unwrap());
    }
    let destination = Some(pb::move_task_request::Destination::BeforeTaskId(made[0].id.clone()));
    let first = pb::MoveTaskRequest { task_id: made[1].id.clone(), destination, etag: String::new() };
    who.tasks().move_task(first).await.unwrap();
    let changed = pb::Task { id: made[3].id.clone(), tags: vec!["x".to_owned()], ..Default::default() };
    update(who, changed, &["tags"]).await.unwrap();
    made
}

#[tokio::test]
async fn every_order_is_paged_completely() {
    let Team { olga, vic, project, .. } = &team().await;
    five(olga, project).await;
    let due_first = "eBcAd";
    for (order, expected) in [
        (TaskOrder::Unspecified, "dBeAc"),
        (TaskOrder::CreatedDesc, "dBeAc"),
        (TaskOrder::UpdatedDesc, "BAdec"),
        (TaskOrder::RankAsc, "AceBd"),
        (TaskOrder::PriorityDesc, "ABedc"),
        (TaskOrder::StartDesc, "deAcB"),
        (TaskOrder::DueDesc, "dAcBe"),
        (TaskOrder::TitleAsc, "ABcde"),
        (TaskOrder::NumberDesc, "dBeAc"),
    ] {
        assert_eq!(pages(vic, ordered(project, order)).await.concat(), expected, "{order:?}");
        let reversed: String = expected.chars().rev().collect();
        let Some(order) = backwards(order) else { continue };
        assert_eq!(pages(vic, ordered(project, order)).await.concat(), reversed, "{order:?}");
    }
    assert_eq!(pages(vic, ordered(project, TaskOrder::DueAsc)).await.concat(), due_first);
}

fn backwards(order: TaskOrder) -> Option<TaskOrder> {
    Some(match order {
        TaskOrder::CreatedDesc => TaskOrder::CreatedAsc,
        TaskOrder::UpdatedDesc => TaskOrder::UpdatedAsc,
        TaskOrder::RankAsc => TaskOrder::RankDesc,
        TaskOrder::PriorityDesc => TaskOrder::PriorityAsc,
        TaskOrder::StartDesc => TaskOrder::StartAsc,
        TaskOrder::DueDesc => TaskOrder::DueAsc,
        TaskOrder::TitleAsc => TaskOrder::TitleDesc,
        TaskOrder::NumberDesc => TaskOrder::NumberAsc,
        _ => return None,
    })
}

#[tokio::test]
async fn paging_survives_concurrent_changes() {
    let Team { olga, project, .. } = &team().await;
    let made = five(olga, project).await;
    let mut request = ordered(project, TaskOrder::TitleAsc);
    let page = olga.tasks().list_tasks(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.tasks.iter().map(|task| task.title.as_str()).collect::<String>(), "AB");

    // After the page, one task is created and one deleted. On the page, the last task is deleted and another changes
    // in a field that is not the sort key.
    olga.task(project, "cc").await;
    delete(olga, &made[4]).await.unwrap();
    delete(olga, &made[3]).await.unwrap();
    let changed = pb::Task { id: made[1].id.clone(), tags: vec!["y".to_owned()], ..Default::default() };
    update(olga, changed, &["tags"]).await.unwrap();
    olga.task(project, "aa").await;

    request.page_token = page.next_page_token;
    assert_eq!(pages(olga, request).await, ["ccc", "e"]);
}

#[tokio::test]
async fn page_tokens_are_bound_to_order_and_filter() {
    let Team { olga, project, .. } = &team().await;
    five(olga, project).await;
    let request = ordered(project, TaskOrder::TitleAsc);
    let page = olga.tasks().list_tasks(request.clone()).await.unwrap().into_inner();
    let next = pb::ListTasksRequest { page_token: page.next_page_token, ..request };
    let overdue = pb::TaskFilter { overdue: true, ..Default::default() };
    for other in [
        pb::ListTasksRequest { order: TaskOrder::TitleDesc.into(), ..next.clone() },
        pb::ListTasksRequest { filter: Some(overdue), ..next.clone() },
    ] {
        let refusal = olga.tasks().list_tasks(other).await.unwrap_err();
        assert_eq!(summary(&refusal), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
    }
    assert_eq!(pages(olga, next).await.concat(), "cde");
}
