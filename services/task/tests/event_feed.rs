//! The events of all projects, for sibling services.

use std::time::Duration;

use crate::harness::harness;
use proto::common::{ChangeKind, ResourceType};
use proto::task::backend::v1 as backend;
use proto::task::v1 as pb;
use testkit::*;
use tonic::{Status, Streaming};

use crate::fixtures::*;

type Stream = Streaming<backend::WatchEventsResponse>;

async fn open(suite: &Suite, principal: &str, cursor: &str, start_at_end: bool) -> Result<Stream, Status> {
    let request = backend::WatchEventsRequest { cursor: cursor.to_owned(), start_at_end };
    Ok(suite.as_service(principal).task_events().watch_events(request).await?.into_inner())
}

async fn next(stream: &mut Stream) -> backend::WatchEventsResponse {
    tokio::time::timeout(Duration::from_secs(10), stream.message()).await.unwrap().unwrap().unwrap()
}

/// So many events, and the cursor after them.
async fn events(stream: &mut Stream, count: usize) -> (Vec<pb::TaskEvent>, String) {
    let mut events = Vec::new();
    loop {
        let message = next(stream).await;
        events.extend(message.events);
        if events.len() >= count {
            assert_eq!(events.len(), count, "{events:?}");
            return (events, message.cursor);
        }
    }
}

fn describe(events: &[pb::TaskEvent]) -> Vec<(ResourceType, ChangeKind, String)> {
    let changes = events.iter().map(|event| event.change.as_ref().unwrap());
    changes.map(|change| (change.resource_type(), change.kind(), change.project_id.clone())).collect()
}

#[tokio::test]
async fn the_events_of_all_projects_are_streamed_once_after_a_cursor() {
    let Team { suite, olga, project, .. } = &team().await;
    let other = olga.project("other").await;
    let task = olga.task(project, "first").await;
    let mut stream = open(suite, "project", "", false).await.unwrap();
    let (seen, cursor) = events(&mut stream, 1).await;
    let created = (ResourceType::Task, ChangeKind::Created, project.id.clone());
    assert_eq!(describe(&seen), [created]);
    let Some(pb::task_event::Resource::Task(change)) = &seen[0].resource else { panic!("{seen:?}") };
    assert_eq!((change.after.as_ref().unwrap(), &change.before), (&task, &None));

    olga.task(&other, "second").await;
    delete(olga, &task).await.unwrap();
    let mut resumed = open(suite, "project", &cursor, false).await.unwrap();
    for stream in [&mut stream, &mut resumed] {
        let (seen, _) = events(stream, 2).await;
        let created = (ResourceType::Task, ChangeKind::Created, other.id.clone());
        let deleted = (ResourceType::Task, ChangeKind::Deleted, project.id.clone());
        assert_eq!(describe(&seen), [created, deleted]);
    }
}

#[tokio::test]
async fn dependencies_between_projects_are_left_out() {
    let Team { suite, olga, project, .. } = &team().await;
    let other = olga.project("other").await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    let c = olga.task(&other, "c").await;
    // What an open transaction holds back would still come.
    events(&mut open(suite, "project", "", false).await.unwrap(), 3).await;
    let mut stream = open(suite, "project", "", true).await.unwrap();
    assert!(next(&mut stream).await.events.is_empty(), "it begins at the end");
    blocks(olga, &a, &c).await.unwrap();
    blocks(olga, &a, &b).await.unwrap();
    let mut of_dependencies = Vec::new();
    while of_dependencies.is_empty() {
        let events = next(&mut stream).await.events.into_iter();
        of_dependencies.extend(events.filter_map(|event| match event.resource {
            Some(pb::task_event::Resource::TaskDependency(change)) => change.after,
            _ => None,
        }));
    }
    let [dependency] = of_dependencies.as_slice() else { panic!("{of_dependencies:?}") };
    assert_eq!(dependency.depends_on_task_id, b.id);
}

#[tokio::test]
async fn heartbeats_have_a_cursor_and_say_that_all_was_sent() {
    let suite = harness().start().await;
    let mut stream = open(&suite, "project", "", true).await.unwrap();
    for _ in 0..2 {
        let beat = next(&mut stream).await;
        assert!(beat.events.is_empty() && beat.caught_up && !beat.cursor.is_empty(), "{beat:?}");
    }
}

#[tokio::test]
async fn an_expired_cursor_is_out_of_range() {
    let suite = harness().start().await;
    for unknown in ["0.1.1", "999.1.1"] {
        let refusal = open(&suite, "project", unknown, false).await.err().unwrap();
        assert_eq!(summary(&refusal), "OUT_OF_RANGE CURSOR_EXPIRED");
    }
    let refusal = open(&suite, "project", "x", false).await.err().unwrap();
    assert_eq!(violations(&refusal), ["cursor"]);
}

#[tokio::test]
async fn only_the_project_service_follows_events() {
    let suite = harness().start().await;
    for principal in ["content", "identity", "operator", "backend"] {
        let refusal = open(&suite, principal, "", false).await.err().unwrap();
        assert_eq!(summary(&refusal), "PERMISSION_DENIED AUDIENCE_REFUSED", "{principal}");
    }
}
