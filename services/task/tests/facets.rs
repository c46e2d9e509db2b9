//! Facets: counts of tasks by value.

use proto::project::v1::ProjectRole;
use proto::task::v1 as pb;
use proto::task::v1::{TaskPriority, TaskStatus};
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn count(who: &Actor, filter: pb::TaskFilter) -> Result<pb::TaskFacets, Status> {
    let request = pb::GetTaskFacetsRequest { filter: Some(filter), ..Default::default() };
    Ok(who.tasks().get_task_facets(request).await?.into_inner())
}

#[tokio::test]
async fn facets_count_tasks_by_status_priority_assignee_tag_and_project() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let other = olga.project("gemini").await;
    olga.add(&other, mia, ProjectRole::Member).await;
    for (place, title, tags, assignee) in [
        (project, "a", &["x", "y"][..], Some(mia)),
        (project, "b", &["x"], None),
        (&other, "c", &["x"], Some(mia)),
        (project, "d", &[], Some(olga)),
    ] {
        let request = pb::Task {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            assignee_id: assignee.map(|who| who.id.to_string()),
            priority: TaskPriority::High.into(),
            estimated_duration: work_hours(3),
            ..new_task(place, title)
        };
        let made = create(olga, request).await.unwrap();
        if title == "d" {
            complete(olga, &made).await.unwrap();
        }
    }
    let project_ids = vec![project.id.clone(), other.id.clone()];
    let both = pb::TaskFilter { project_ids, ..Default::default() };
    let facets = count(mia, both.clone()).await.unwrap();
    assert_eq!((facets.total_count, facets.truncated), (4, false));
    let status = |count: &pb::StatusCount| (count.status(), count.count, hours_of(count.estimated_duration));
    let by_status: Vec<_> = facets.by_status.iter().map(status).collect();
    assert_eq!(by_status, [(TaskStatus::Pending, 3, 9), (TaskStatus::Done, 1, 3)]);
    assert_eq!(facets.by_priority.len(), 1);
    assert_eq!((facets.by_priority[0].priority(), facets.by_priority[0].count), (TaskPriority::High, 4));
    let by_tag: Vec<_> = facets.by_tag.iter().map(|count| (count.tag.as_str(), count.count)).collect();
    assert_eq!(by_tag, [("x", 3), ("y", 1)]);
    let by_assignee: Vec<_> = facets.by_assignee.iter().map(|c| (c.assignee_id.clone(), c.count)).collect();
    assert_eq!(by_assignee, [(mia.id.to_string(), 2), (String::new(), 1), (olga.id.to_string(), 1)]);
    let by_project: Vec<_> = facets.by_project.iter().map(|c| (c.project_id.clone(), c.count)).collect();
    assert_eq!(by_project, [(project.id.clone(), 3), (other.id.clone(), 1)]);

    let ready = pb::TaskFilter { ready: true, unassigned: true, ..both.clone() };
    assert_eq!(count(mia, ready).await.unwrap().total_count, 1);
    let most = pb::GetTaskFacetsRequest { filter: Some(both.clone()), max_values: 1 };
    assert_eq!(mia.tasks().get_task_facets(most).await.unwrap().into_inner().by_tag.len(), 1);
    let refusal = count(vic, both).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    until("trusted", WAIT_LIMIT, async || count(vic, pb::TaskFilter::default()).await.is_ok()).await;
    assert_eq!(count(vic, pb::TaskFilter::default()).await.unwrap().total_count, 3);
}

#[tokio::test]
async fn facets_of_no_tasks_are_empty_and_malformed_filters_are_refused() {
    let Team { olga, project, .. } = &team().await;
    let none = pb::TaskFilter { project_ids: vec![project.id.clone()], ..Default::default() };
    assert_eq!(count(olga, none).await.unwrap(), pb::TaskFacets::default());
    let filter = Some(pb::TaskFilter { priorities: vec![0], ..Default::default() });
    let garbage = pb::GetTaskFacetsRequest { filter, max_values: -1 };
    let refusal = olga.tasks().get_task_facets(garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["filter.priorities[0]", "max_values"]);
}
