//! Progress of a project.

use proto::project::v1::{Project, ProjectVisibility};
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn progress(who: &Actor, project: &Project) -> Result<pb::ProjectProgress, Status> {
    let request = pb::GetProjectProgressRequest { project_id: project.id.clone(), ..Default::default() };
    who.plans().get_project_progress(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn progress_counts_tasks_and_work() {
    let Team { olga, vic, project, .. } = &team().await;
    for (status, priority, hours) in [(1, 2, None), (1, 4, Some(3)), (5, 2, Some(4)), (2, 1, Some(1))] {
        let wished = pb::Task {
            status,
            priority,
            estimated_duration: hours.and_then(work_hours),
            ..new_task(project, "x")
        };
        create(olga, wished).await.unwrap();
    }
    let last = pb::Task { actual_duration: work_hours(7), ..new_task(project, "last") };
    let last = create(olga, last).await.unwrap();
    complete(olga, &last).await.unwrap();

    let progress = progress(vic, project).await.unwrap();

    let by_status: Vec<_> = progress.by_status.iter().map(|c| (c.status(), c.count)).collect();
    let by_priority: Vec<_> = progress.by_priority.iter().map(|c| (c.priority(), c.count)).collect();
    use pb::{TaskPriority as Priority, TaskStatus as Status};
    assert_eq!(
        by_status,
        [(Status::Pending, 2), (Status::InProgress, 1), (Status::Done, 1), (Status::Cancelled, 1)]
    );
    assert_eq!(by_priority, [(Priority::Low, 1), (Priority::Medium, 3), (Priority::Urgent, 1)]);
    let hours: Vec<_> = progress
        .by_status
        .iter()
        .map(|c| (hours_of(c.estimated_duration), hours_of(c.actual_duration)))
        .collect();
    assert_eq!(hours, [(3, 0), (1, 0), (0, 7), (4, 0)]);
    let hours: Vec<_> = progress
        .by_priority
        .iter()
        .map(|c| (hours_of(c.estimated_duration), hours_of(c.actual_duration)))
        .collect();
    assert_eq!(hours, [(1, 0), (4, 7), (3, 0)]);
    assert_eq!(
        (progress.total_count, progress.estimated_duration, progress.actual_duration),
        (5, work_hours(8), work_hours(7))
    );
    assert!((progress.percent_done - 25.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn progress_of_an_empty_project_is_zero() {
    let Team { suite, olga, .. } = &team().await;
    let open = open_project(olga, ProjectVisibility::Public).await;
    let progress = progress(&suite.anonymous(), &open).await.unwrap();
    assert_eq!(
        progress,
        pb::ProjectProgress {
            project_id: open.id,
            estimated_duration: work_hours(0),
            actual_duration: work_hours(0),
            ..Default::default()
        }
    );
}

#[tokio::test]
async fn progress_of_an_invisible_project_is_not_found() {
    let Team { suite, sam, project, .. } = &team().await;
    for stranger in [sam, &suite.anonymous()] {
        let refusal = progress(stranger, project).await.unwrap_err();
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let refusal = progress(sam, &Project { id: "x".to_owned(), ..Default::default() }).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id"]);
}
