//! Listing in several projects, and in all that the caller may read.

use proto::project::v1::{Member, Project, ProjectRole, ProjectVisibility, UpdateMemberRequest};
use proto::task::v1 as pb;
use proto::task::v1::TaskOrder;
use testkit::*;
use tonic::{Code, Status};

use crate::fixtures::*;

async fn titles(who: &Actor, filter: pb::TaskFilter, order: TaskOrder) -> Result<String, Status> {
    let mut request = pb::ListTasksRequest {
        page_size: 2,
        order: order.into(),
        filter: Some(filter),
        ..Default::default()
    };
    let mut titles = String::new();
    loop {
        let page = who.tasks().list_tasks(request.clone()).await?.into_inner();
        titles.extend(page.tasks.into_iter().map(|task| task.title));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(titles);
        }
    }
}

fn of(projects: &[&Project]) -> pb::TaskFilter {
    let project_ids = projects.iter().map(|project| project.id.clone()).collect();
    pb::TaskFilter { project_ids, ..Default::default() }
}

/// Waits until the copy of memberships is trusted.
async fn until_copy_is_trusted(who: &Actor) {
    until("the copies are trusted", WAIT_LIMIT, async || {
        titles(who, pb::TaskFilter::default(), TaskOrder::CreatedDesc).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn list_tasks_merges_projects_in_one_order() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let other = olga.project("gemini").await;
    olga.add(&other, mia, ProjectRole::Viewer).await;
    for (place, title) in [(project, "a"), (&other, "b"), (project, "c"), (&other, "d"), (project, "e")] {
        olga.task(place, title).await;
    }
    let both = of(&[project, &other]);
    assert_eq!(titles(mia, both.clone(), TaskOrder::CreatedDesc).await.unwrap(), "edcba");
    assert_eq!(titles(mia, both.clone(), TaskOrder::TitleAsc).await.unwrap(), "abcde");
    assert_eq!(titles(mia, both.clone(), TaskOrder::NumberAsc).await.unwrap().len(), 5);
    let open = pb::TaskFilter { ready: true, ..both.clone() };
    assert_eq!(titles(mia, open, TaskOrder::CreatedAsc).await.unwrap(), "abcde");
    until_copy_is_trusted(mia).await;
    assert_eq!(titles(mia, pb::TaskFilter::default(), TaskOrder::CreatedDesc).await.unwrap(), "edcba");
    assert_eq!(titles(vic, pb::TaskFilter::default(), TaskOrder::CreatedDesc).await.unwrap(), "eca");

    let refusal = titles(vic, both, TaskOrder::CreatedDesc).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(metadata(&refusal, "id"), other.id);
}

#[tokio::test]
async fn list_tasks_returns_exactly_what_the_caller_may_read() {
    let Team { suite, olga, mia, sam, project, .. } = &team().await;
    olga.task(project, "p").await;
    let open = open_project(olga, ProjectVisibility::Public).await;
    olga.task(&open, "o").await;
    let inside = open_project(olga, ProjectVisibility::Internal).await;
    olga.task(&inside, "i").await;
    let nobody = suite.anonymous();
    for who in [olga, mia, sam, &nobody] {
        until_copy_is_trusted(who).await;
    }
    let seen =
        async |who: &Actor| titles(who, pb::TaskFilter::default(), TaskOrder::CreatedAsc).await.unwrap();
    assert_eq!(seen(olga).await, "poi");
    assert_eq!(seen(mia).await, "poi");
    assert_eq!(seen(sam).await, "oi");
    assert_eq!(seen(&nobody).await, "o");
}

#[tokio::test]
async fn list_tasks_requires_task_read() {
    let Team { olga, vic, project, .. } = &team().await;
    olga.task(project, "p").await;
    until_copy_is_trusted(vic).await;
    let member = Member {
        project_id: project.id.clone(),
        user_id: vic.id.to_string(),
        role: ProjectRole::Viewer.into(),
        denied_permissions: vec![proto::common::Permission::TaskRead.into()],
        ..Default::default()
    };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["denied_permissions".to_owned()] });
    let request = UpdateMemberRequest { member: Some(member), update_mask };
    olga.members().update_member(request).await.unwrap();
    until("it is withdrawn", WAIT_LIMIT, async || {
        titles(vic, of(&[project]), TaskOrder::CreatedDesc)
            .await
            .is_err_and(|e| e.code() == Code::PermissionDenied)
    })
    .await;
    assert_eq!(titles(vic, pb::TaskFilter::default(), TaskOrder::CreatedDesc).await.unwrap(), "");
    assert_eq!(titles(olga, pb::TaskFilter::default(), TaskOrder::CreatedDesc).await.unwrap(), "p");
}
