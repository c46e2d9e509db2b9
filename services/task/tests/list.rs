//! Listing tasks.

use prost::Message;
use proto::common;
use proto::project::v1::{Project, ProjectVisibility};
use proto::task::v1 as pb;
use proto::task::v1::task_filter::Position;
use testkit::*;

use crate::fixtures::*;

fn all_of(project: &Project) -> pb::ListTasksRequest {
    list_of(in_project(project))
}

async fn titles(who: &Actor, request: pb::ListTasksRequest) -> Vec<String> {
    let page = who.tasks().list_tasks(request).await.unwrap().into_inner();
    page.tasks.into_iter().map(|task| task.title).collect()
}

#[tokio::test]
async fn list_pages_are_complete_and_newest_first() {
    let Team { olga, vic, project, .. } = &team().await;
    for number in 0..7 {
        olga.task(project, &number.to_string()).await;
    }
    let mut request = pb::ListTasksRequest { page_size: 3, ..all_of(project) };
    let mut seen = Vec::new();
    loop {
        let page = vic.tasks().list_tasks(request.clone()).await.unwrap().into_inner();
        seen.push(page.tasks.iter().map(|task| task.title.clone()).collect::<String>());
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, ["654", "321", "0"]);
}

#[tokio::test]
async fn tasks_with_equal_times_are_paged_by_id() {
    let Team { suite, olga, project, .. } = &team().await;
    for number in 0..5 {
        olga.task(project, &number.to_string()).await;
    }
    let mut admin = suite.admin_of(task::NAME).await;
    diesel_async::SimpleAsyncConnection::batch_execute(
        &mut admin,
        "UPDATE task.tasks SET created_at = (SELECT min(created_at) FROM task.tasks)",
    )
    .await
    .unwrap();
    let first = pb::ListTasksRequest { page_size: 2, ..all_of(project) };
    let page = olga.tasks().list_tasks(first.clone()).await.unwrap().into_inner();
    let rest = pb::ListTasksRequest { page_size: 2, page_token: page.next_page_token, ..first };
    assert_eq!(titles(olga, rest).await, ["2", "1"]);
}

#[tokio::test]
async fn list_tasks_combines_all_conditions() {
    let Team { olga, mia, project, .. } = &team().await;
    let parent = olga.task(project, "parent").await;
    let plain = new_task(project, "plain");
    let rich = pb::Task {
        parent_task_id: Some(parent.id.clone()),
        status: pb::TaskStatus::Review.into(),
        priority: pb::TaskPriority::High.into(),
        assignee_id: Some(mia.id.to_string()),
        due_at: in_hours(1),
        tags: vec!["a".to_owned(), "b".to_owned()],
        ..new_task(project, "rich")
    };
    create(olga, plain).await.unwrap();
    create(olga, rich).await.unwrap();
    let here = || in_project(project);
    let filters = [
        pb::TaskFilter { statuses: vec![pb::TaskStatus::Review.into()], ..here() },
        pb::TaskFilter { priorities: vec![pb::TaskPriority::High.into()], ..here() },
        pb::TaskFilter { assignee_ids: vec![mia.id.to_string()], ..here() },
        pb::TaskFilter { position: Some(Position::ParentTaskId(parent.id)), ..here() },
        pb::TaskFilter { all_tags: vec!["b".to_owned()], ..here() },
        pb::TaskFilter {
            due_at: Some(common::TimeRange { start_time: None, end_time: in_hours(2) }),
            ..here()
        },
    ];
    for filter in &filters {
        assert_eq!(titles(olga, list_of(filter.clone())).await, ["rich"], "{filter:?}");
    }
    let contrary = pb::TaskFilter { statuses: vec![1], ..filters[1].clone() };
    assert!(titles(olga, list_of(contrary)).await.is_empty());
    let both = pb::TaskFilter { statuses: vec![1, 3], ..here() };
    assert_eq!(titles(olga, list_of(both)).await, ["rich", "plain", "parent"]);
    let too_many = pb::TaskFilter { all_tags: vec!["b".to_owned(), "c".to_owned()], ..here() };
    assert!(titles(olga, list_of(too_many)).await.is_empty());
}

#[tokio::test]
async fn list_tasks_of_an_invisible_project_is_not_found() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    for stranger in [sam, &suite.anonymous()] {
        let refusal = stranger.tasks().list_tasks(all_of(project)).await.unwrap_err();
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let open = open_project(olga, ProjectVisibility::Public).await;
    olga.task(&open, "seen by all").await;
    assert_eq!(titles(&suite.anonymous(), all_of(&open)).await, ["seen by all"]);
}

#[tokio::test]
async fn page_tokens_are_bound_to_caller_and_filter() {
    let Team { olga, vic, project, .. } = &team().await;
    for title in ["a", "b"] {
        olga.task(project, title).await;
    }
    let first = pb::ListTasksRequest { page_size: 1, ..all_of(project) };
    let page = olga.tasks().list_tasks(first.clone()).await.unwrap().into_inner();
    let next = pb::ListTasksRequest { page_token: page.next_page_token, ..first };
    assert_eq!(titles(olga, next.clone()).await, ["a"]);
    let refusal = vic.tasks().list_tasks(next.clone()).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
    let filter = pb::TaskFilter { statuses: vec![1], ..in_project(project) };
    let filtered = pb::ListTasksRequest { filter: Some(filter), ..next };
    let refusal = olga.tasks().list_tasks(filtered).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn malformed_list_requests_name_every_field() {
    let Team { olga, .. } = &team().await;
    let filter = pb::TaskFilter { project_ids: vec!["x".to_owned()], ..Default::default() };
    let request = pb::ListTasksRequest { order: 99, page_size: -1, ..list_of(filter) };
    let refusal = olga.tasks().list_tasks(request).await.unwrap_err();
    assert_eq!(violations(&refusal), ["filter.project_ids[0]", "order", "page_size"]);
}

/// A page of large tasks ends early, so that no response exceeds 4 MiB, and the pages together are complete.
#[tokio::test]
async fn list_and_search_pages_end_before_four_mebibytes() {
    let Team { olga, project, .. } = &team().await;
    let description = format!("rocket {}", "\u{6f22}".repeat(90_000));
    for number in 0..20 {
        let task = new_task(project, &number.to_string());
        create(olga, pb::Task { description: Some(description.clone()), ..task }).await.unwrap();
    }
    let mut request = pb::ListTasksRequest { page_size: 1_000, ..all_of(project) };
    let mut sizes = Vec::new();
    loop {
        let page = olga.tasks().list_tasks(request.clone()).await.unwrap().into_inner();
        assert!(page.encoded_len() <= 4 * 1024 * 1024);
        sizes.push(page.tasks.len());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(sizes.len() > 1 && sizes.iter().sum::<usize>() == 20, "{sizes:?}");

    let mut request = pb::SearchTasksRequest {
        query: "rocket".to_owned(),
        filter: Some(in_project(project)),
        page_size: 200,
        ..Default::default()
    };
    let mut found = 0;
    loop {
        let page = olga.tasks().search_tasks(request.clone()).await.unwrap().into_inner();
        assert!(page.encoded_len() <= 4 * 1024 * 1024);
        found += page.matches.len();
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, 20);
}
