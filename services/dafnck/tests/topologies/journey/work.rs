//! Tasks that wait for each other, their plan, and somebody who follows them.

use std::collections::HashSet;

use proto::task::v1 as pb;
use proto::task::v1::task_event::Resource;
use testkit::{new_id, summary};
use tonic::Streaming;

use super::{Journey, TIMEOUT};

/// Gus follows the project from here on.
pub(super) async fn watch(Journey { gus, project, .. }: &Journey<'_>) -> Streaming<pb::WatchTasksResponse> {
    let request = pb::WatchTasksRequest { project_id: project.id.clone(), ..Default::default() };
    let mut stream = gus.tasks().watch_tasks(request).await.unwrap().into_inner();
    let first = tokio::time::timeout(TIMEOUT, stream.message()).await.unwrap().unwrap().unwrap();
    assert!(first.events.is_empty() && !first.resume_token.is_empty());
    stream
}

/// To fly, one must have built; the other way round is a cycle.
pub(super) async fn plan_two_tasks(Journey { olga, gus, project, .. }: &Journey<'_>) -> [pb::Task; 2] {
    let [build, fly] = [olga.task(project, "build").await, gus.task(project, "fly").await];
    let depends = |task: &pb::Task, on: &pb::Task| pb::CreateTaskDependencyRequest {
        request_id: new_id(),
        task_dependency: Some(pb::TaskDependency {
            task_id: task.id.clone(),
            depends_on_task_id: on.id.clone(),
            ..Default::default()
        }),
    };
    let first = depends(&fly, &build);
    let made = olga.plans().create_task_dependency(first.clone()).await.unwrap().into_inner();
    let again = olga.plans().create_task_dependency(first).await.unwrap().into_inner();
    assert_eq!(made, again, "a retry finds what was made");
    let cycle = olga.plans().create_task_dependency(depends(&build, &fly)).await.unwrap_err();
    assert_eq!(summary(&cycle), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
    let request = pb::GetPlanRequest { project_id: project.id.clone(), ..Default::default() };
    let plan = gus.plans().get_plan(request).await.unwrap().into_inner();
    assert_eq!((plan.tasks.len(), plan.critical_path.len(), plan.wave_count), (2, 2, 2));
    [build, fly]
}

pub(super) async fn complete_in_order(Journey { olga, .. }: &Journey<'_>, build: &pb::Task, fly: &pb::Task) {
    let complete = async |task: &pb::Task| {
        let request = pb::CompleteTaskRequest { task_id: task.id.clone(), ..Default::default() };
        olga.tasks().complete_task(request).await
    };
    assert_eq!(summary(&complete(fly).await.unwrap_err()), "FAILED_PRECONDITION TASK_BLOCKED");
    complete(build).await.unwrap();
    let done = complete(fly).await.unwrap().into_inner();
    assert_eq!(done.status(), pb::TaskStatus::Done);
}

/// The stream has told how these tasks were made and completed.
pub(super) async fn all_was_told(stream: &mut Streaming<pb::WatchTasksResponse>, tasks: &[&pb::Task]) {
    let mut missing: HashSet<(String, pb::TaskStatus)> = HashSet::new();
    for task in tasks {
        missing.insert((task.id.clone(), pb::TaskStatus::Pending));
        missing.insert((task.id.clone(), pb::TaskStatus::Done));
    }
    let listen = async {
        while !missing.is_empty() {
            for event in stream.message().await.unwrap().unwrap().events {
                if let Some(Resource::Task(pb::TaskChange { after: Some(after), .. })) = event.resource {
                    missing.remove(&(after.id.clone(), after.status()));
                }
            }
        }
    };
    let heard = tokio::time::timeout(TIMEOUT, listen).await;
    assert!(heard.is_ok(), "never heard of {missing:?}");
}
