//! The events of all projects, for sibling services.

use std::time::Duration;

use proto::common::{Change, ChangeKind, ResourceType};
use proto::content::backend::v1 as backend;
use proto::content::backend::v1::content_event::Resource;
use testkit::*;
use tonic::Streaming;

use crate::fixtures::{Team, comment, react, team, to_document};

async fn changes(stream: &mut Streaming<backend::WatchEventsResponse>, count: usize) -> Vec<Change> {
    let mut changes = Vec::new();
    while changes.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
        for event in next.unwrap().unwrap().unwrap().events {
            changes.push(match event.resource.unwrap() {
                Resource::Document(event) => event.change.unwrap(),
                Resource::Comment(event) => event.change.unwrap(),
            });
        }
    }
    changes
}

#[tokio::test]
async fn documents_comments_and_reactions_of_all_projects_are_streamed() {
    let Team { suite, olga, project, .. } = &team().await;
    let other = olga.project("other").await;
    let mut events = suite.as_service("project").content_events();
    let request = backend::WatchEventsRequest { start_at_end: true, ..Default::default() };
    let mut stream = events.watch_events(request).await.unwrap().into_inner();

    let document = olga.document(project, "plan", "text").await;
    let written = comment(olga, to_document(&document.id), "why?").await.unwrap();
    react(olga, &written.id, "👍").await.unwrap();
    olga.document(&other, "elsewhere", "text").await;

    let seen = changes(&mut stream, 4).await;
    let seen: Vec<_> = seen
        .iter()
        .map(|change| (change.resource_type(), change.kind(), change.project_id.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (ResourceType::Document, ChangeKind::Created, project.id.as_str()),
            (ResourceType::Comment, ChangeKind::Created, &project.id),
            (ResourceType::CommentReaction, ChangeKind::Created, &project.id),
            (ResourceType::Document, ChangeKind::Created, &other.id),
        ]
    );
    let mut closed = suite.as_service("task").content_events();
    let refusal = closed.watch_events(backend::WatchEventsRequest::default()).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED AUDIENCE_REFUSED");
}
