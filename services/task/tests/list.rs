//! Listing tasks.

use proto::project::v1::{Project, ProjectVisibility};
use proto::task::v1 as pb;
use testkit::*;

use crate::fixtures::*;

fn all_of(project: &Project) -> pb::ListTasksRequest {
    pb::ListTasksRequest { project_id: project.id.clone(), ..Default::default() }
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
    let rich = pb::CreateTaskRequest {
        parent_task_id: Some(parent.id.clone()),
        status: pb::TaskStatus::Review.into(),
        priority: pb::TaskPriority::High.into(),
        assignee_id: Some(mia.id.to_string()),
        due_date: in_hours(1),
        tags: vec!["a".to_owned(), "b".to_owned()],
        ..new_task(project, "rich")
    };
    create(olga, plain).await.unwrap();
    create(olga, rich).await.unwrap();
    let filters = [
        pb::ListTasksRequest { statuses: vec![pb::TaskStatus::Review.into()], ..all_of(project) },
        pb::ListTasksRequest { priorities: vec![pb::TaskPriority::High.into()], ..all_of(project) },
        pb::ListTasksRequest { assignee_id: mia.id.to_string(), ..all_of(project) },
        pb::ListTasksRequest { parent_task_id: parent.id, ..all_of(project) },
        pb::ListTasksRequest { tags: vec!["b".to_owned()], ..all_of(project) },
        pb::ListTasksRequest { due_before: in_hours(2), ..all_of(project) },
    ];
    for filter in &filters {
        assert_eq!(titles(olga, filter.clone()).await, ["rich"], "{filter:?}");
    }
    let contrary = pb::ListTasksRequest { statuses: vec![1], ..filters[1].clone() };
    assert!(titles(olga, contrary).await.is_empty());
    let both = pb::ListTasksRequest { statuses: vec![1, 3], ..all_of(project) };
    assert_eq!(titles(olga, both).await, ["rich", "plain", "parent"]);
    let too_many = pb::ListTasksRequest { tags: vec!["b".to_owned(), "c".to_owned()], ..all_of(project) };
    assert!(titles(olga, too_many).await.is_empty());
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
    let filtered = pb::ListTasksRequest { statuses: vec![1], ..next };
    let refusal = olga.tasks().list_tasks(filtered).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn malformed_list_requests_name_every_field() {
    let Team { olga, .. } = &team().await;
    let request = pb::ListTasksRequest {
        project_id: "x".to_owned(),
        page_size: -1,
        page_token: String::new(),
        statuses: vec![0],
        priorities: vec![99],
        assignee_id: "x".to_owned(),
        parent_task_id: "x".to_owned(),
        tags: vec!["x".to_owned(); 51],
        due_before: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        order: 99,
        filter: None,
    };
    let refusal = olga.tasks().list_tasks(request).await.unwrap_err();
    assert_eq!(
        violations(&refusal),
        [
            "project_id",
            "statuses",
            "priorities",
            "assignee_id",
            "parent_task_id",
            "tags",
            "due_before",
            "order",
            "page_size"
        ]
    );
}
