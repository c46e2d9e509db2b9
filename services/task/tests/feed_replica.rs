//! A client that maintains a copy of a project from its feed, as the proto documents it.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::common;
use proto::task::v1 as pb;
use proto::task::v1::task_event::Resource;
use testkit::*;
use tonic::{Status, Streaming};

use crate::fixtures::list_of;

pub const FEED_TIMEOUT: Duration = Duration::from_secs(20);

pub fn watch(project_id: &str, resume_token: &str) -> pb::WatchTasksRequest {
    pb::WatchTasksRequest {
        project_id: project_id.to_owned(),
        resume_token: resume_token.to_owned(),
        ..Default::default()
    }
}

/// Opens a stream and receives its first message: later changes are reported.
pub async fn open(
    suite: &Suite,
    who: &Actor,
    request: pb::WatchTasksRequest,
) -> Result<(Streaming<pb::WatchTasksResponse>, String), Status> {
    if request.resume_token.is_empty() {
        suite.wait_for_open_transactions().await;
    }
    let mut stream = who.tasks().watch_tasks(request).await?.into_inner();
    let first = next(&mut stream).await?.unwrap();
    assert!(first.events.is_empty());
    Ok((stream, first.resume_token))
}

/// The next message, or the end of the stream.
pub async fn next(
    stream: &mut Streaming<pb::WatchTasksResponse>,
) -> Result<Option<pb::WatchTasksResponse>, Status> {
    tokio::time::timeout(FEED_TIMEOUT, stream.message()).await.unwrap()
}

/// The next `count` events, heartbeats skipped.
pub async fn events(stream: &mut Streaming<pb::WatchTasksResponse>, count: usize) -> Vec<pb::TaskEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(next(stream).await.unwrap().unwrap().events);
    }
    assert_eq!(events.len(), count);
    events
}

/// The end of the stream, and the events before it.
pub async fn end(stream: &mut Streaming<pb::WatchTasksResponse>) -> (Vec<pb::TaskEvent>, Option<Status>) {
    let mut events = Vec::new();
    loop {
        match next(stream).await {
            Ok(Some(message)) => events.extend(message.events),
            Ok(None) => return (events, None),
            Err(status) => return (events, Some(status)),
        }
    }
}

pub fn change_of(event: &pb::TaskEvent) -> &common::Change {
    event.change.as_ref().unwrap()
}

pub fn kind_of(event: &pb::TaskEvent) -> common::ChangeKind {
    change_of(event).kind()
}

pub fn id_of(event: &pb::TaskEvent) -> &str {
    &change_of(event).resource_id
}

pub fn task_of(event: &pb::TaskEvent) -> &pb::TaskChange {
    match event.resource.as_ref().unwrap() {
        Resource::Task(change) => change,
        other => panic!("{other:?}"),
    }
}

pub fn dependency_of(event: &pb::TaskEvent) -> &pb::TaskDependencyChange {
    match event.resource.as_ref().unwrap() {
        Resource::TaskDependency(change) => change,
        other => panic!("{other:?}"),
    }
}

/// A copy of a project's tasks and dependencies; deleted resources keep their sequence.
#[derive(Default)]
pub struct Copy {
    tasks: BTreeMap<String, (i64, Option<pb::Task>)>,
    dependencies: BTreeMap<String, (i64, Option<pb::TaskDependency>)>,
    pub applied: usize,
}

impl Copy {
    pub fn apply(&mut self, event: pb::TaskEvent) {
        self.applied += 1;
        let common::Change { sequence, resource_id, .. } = event.change.unwrap();
        match event.resource.unwrap() {
            Resource::Task(change) => put(&mut self.tasks, resource_id, sequence, change.after),
            Resource::TaskDependency(change) => {
                put(&mut self.dependencies, resource_id, sequence, change.after);
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn tasks(&self) -> BTreeMap<String, pb::Task> {
        living(&self.tasks)
    }

    pub fn dependencies(&self) -> BTreeMap<String, pb::TaskDependency> {
        living(&self.dependencies)
    }
}

fn put<T>(things: &mut BTreeMap<String, (i64, Option<T>)>, id: String, sequence: i64, after: Option<T>) {
    let known = things.entry(id).or_insert((0, None));
    assert_ne!(known.0, sequence, "twice");
    if known.0 < sequence {
        *known = (sequence, after);
    }
}

fn living<T: Clone>(things: &BTreeMap<String, (i64, Option<T>)>) -> BTreeMap<String, T> {
    things.iter().filter_map(|(id, (_, thing))| Some((id.clone(), thing.clone()?))).collect()
}

/// All tasks of a project by id, as lists return them.
pub async fn all_tasks(who: &Actor, project_id: &str) -> BTreeMap<String, pb::Task> {
    let filter = pb::TaskFilter { project_ids: vec![project_id.to_owned()], ..Default::default() };
    let request = pb::ListTasksRequest { page_size: 1_000, ..list_of(filter) };
    let page = who.tasks().list_tasks(request).await.unwrap().into_inner();
    assert!(page.next_page_token.is_empty());
    page.tasks.into_iter().map(|task| (task.id.clone(), task)).collect()
}

/// All dependencies of these tasks by id.
pub async fn all_dependencies<'a>(
    who: &Actor,
    tasks: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, pb::TaskDependency> {
    let mut found = BTreeMap::new();
    for task_id in tasks {
        let request = pb::ListTaskDependenciesRequest {
            task_id: task_id.clone(),
            page_size: 1_000,
            ..Default::default()
        };
        let page = who.plans().list_task_dependencies(request).await.unwrap().into_inner();
        found.extend(page.dependencies.into_iter().map(|dependency| (dependency.id.clone(), dependency)));
    }
    found
}
