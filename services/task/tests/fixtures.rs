//! A team with a project, and short forms of the calls.

use prost_types::{Duration, FieldMask, Timestamp};
use proto::project::v1 as project;
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::harness::harness;

/// How long [`until`] waits.
pub const WAIT_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Olga's project with Mia as member and Vic as viewer; Sam is a stranger.
pub struct Team {
    pub suite: Suite,
    pub olga: Actor,
    pub mia: Actor,
    pub vic: Actor,
    pub sam: Actor,
    pub project: project::Project,
}

pub async fn team() -> Team {
    team_on(harness().start().await).await
}

pub async fn team_on(suite: Suite) -> Team {
    let [olga, mia, vic, sam] = suite.guests(["olga", "mia", "vic", "sam"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &mia, project::ProjectRole::Member).await;
    olga.add(&project, &vic, project::ProjectRole::Viewer).await;
    Team { suite, olga, mia, vic, sam, project }
}

pub async fn open_project(who: &Actor, visibility: project::ProjectVisibility) -> project::Project {
    let new =
        project::Project { name: "open".to_owned(), visibility: visibility.into(), ..Default::default() };
    let request = project::CreateProjectRequest { project: Some(new), ..Default::default() };
    who.projects().create_project(request).await.unwrap().into_inner()
}

pub fn new_task(project: &project::Project, title: &str) -> pb::Task {
    pb::Task { project_id: project.id.clone(), title: title.to_owned(), ..Default::default() }
}

pub async fn create(who: &Actor, task: pb::Task) -> Result<pb::Task, Status> {
    create_once(who, task, String::new()).await
}

pub async fn create_once(who: &Actor, task: pb::Task, request_id: String) -> Result<pb::Task, Status> {
    let request = pb::CreateTaskRequest { request_id, task: Some(task) };
    who.tasks().create_task(request).await.map(tonic::Response::into_inner)
}

pub async fn get(who: &Actor, task: &pb::Task) -> Result<pb::Task, Status> {
    let request = pb::GetTaskRequest { task_id: task.id.clone() };
    who.tasks().get_task(request).await.map(tonic::Response::into_inner)
}

pub async fn update(who: &Actor, task: pb::Task, paths: &[&str]) -> Result<pb::Task, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateTaskRequest {
        task: Some(task),
        update_mask: Some(FieldMask { paths }),
        metadata_patch: None,
    };
    who.tasks().update_task(request).await.map(tonic::Response::into_inner)
}

pub async fn complete(who: &Actor, task: &pb::Task) -> Result<pb::Task, Status> {
    let request = pb::CompleteTaskRequest { task_id: task.id.clone(), etag: String::new() };
    who.tasks().complete_task(request).await.map(tonic::Response::into_inner)
}

pub async fn delete(who: &Actor, task: &pb::Task) -> Result<(), Status> {
    let request = pb::DeleteTaskRequest { task_id: task.id.clone(), etag: String::new() };
    who.tasks().delete_task(request).await.map(|_| ())
}

pub async fn link(
    who: &Actor,
    task: &pb::Task,
    on: &pb::Task,
    kind: pb::DependencyType,
) -> Result<pb::TaskDependency, Status> {
    let new = pb::TaskDependency {
        task_id: task.id.clone(),
        depends_on_task_id: on.id.clone(),
        dependency_type: kind.into(),
        ..Default::default()
    };
    let request = pb::CreateTaskDependencyRequest { request_id: new_id(), task_dependency: Some(new) };
    who.plans().create_task_dependency(request).await.map(tonic::Response::into_inner)
}

pub async fn blocks(who: &Actor, task: &pb::Task, on: &pb::Task) -> Result<pb::TaskDependency, Status> {
    link(who, task, on, pb::DependencyType::Blocks).await
}

/// The value of a key of an error's metadata.
pub fn metadata(status: &Status, key: &str) -> String {
    use tonic_types::StatusExt;
    let info = status.get_details_error_info().unwrap();
    info.metadata.get(key).cloned().unwrap_or_default()
}

pub fn ids(tasks: &[&pb::Task]) -> String {
    tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>().join(",")
}

pub fn in_hours(hours: i64) -> Option<Timestamp> {
    let time = chrono::Utc::now() + chrono::Duration::hours(hours);
    Some(Timestamp { seconds: time.timestamp(), nanos: 0 })
}

/// A filter for the tasks of one project.
pub fn in_project(project: &project::Project) -> pb::TaskFilter {
    pb::TaskFilter { project_ids: vec![project.id.clone()], ..Default::default() }
}

/// A request for the tasks that match a filter.
pub fn list_of(filter: pb::TaskFilter) -> pb::ListTasksRequest {
    pb::ListTasksRequest { filter: Some(filter), ..Default::default() }
}

pub fn work_hours(hours: i64) -> Option<Duration> {
    work_minutes(60 * hours)
}

pub fn work_minutes(minutes: i64) -> Option<Duration> {
    Some(Duration { seconds: 60 * minutes, nanos: 0 })
}

/// Whole hours of a duration.
pub fn hours_of(duration: Option<Duration>) -> i64 {
    duration.map_or(0, |duration| duration.seconds / 3_600)
}

pub async fn set_project_key(who: &Actor, project: &project::Project, key: &str) -> Result<(), Status> {
    let changed = project::Project { id: project.id.clone(), key: key.to_owned(), ..Default::default() };
    let request = project::UpdateProjectRequest { project: Some(changed), ..Default::default() };
    who.projects().update_project(request).await.map(drop)
}
