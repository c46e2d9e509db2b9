//! Watching a project's comments.

use std::time::Duration;

use proto::common::{ChangeKind, ResourceType};
use proto::content::v1 as pb;
use proto::content::v1::comment_event::Resource;
use testkit::*;
use tonic::{Status, Streaming};

use crate::fixtures::{
    Team, comment, delete_comment, deny, edit_comment, react, team, to_document, to_project,
};

/// How long to wait for a response; heartbeats come every 5 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

type Stream = Streaming<pb::WatchCommentsResponse>;

/// Opens a stream, and returns it with the token of its first response, which has no events.
async fn open(
    s: &Team,
    who: &Actor,
    resume_token: &str,
    filter: pb::CommentEventFilter,
) -> Result<(Stream, String), Status> {
    let request = pb::WatchCommentsRequest {
        project_id: s.project.id.clone(),
        resume_token: resume_token.to_owned(),
        filter: Some(filter),
    };
    let mut stream = who.comments().watch_comments(request).await?.into_inner();
    let first = next(&mut stream).await?.unwrap();
    assert!(first.events.is_empty());
    Ok((stream, first.resume_token))
}

async fn next(stream: &mut Stream) -> Result<Option<pb::WatchCommentsResponse>, Status> {
    tokio::time::timeout(RESPONSE_TIMEOUT, stream.message()).await.unwrap()
}

async fn events(stream: &mut Stream, count: usize) -> Vec<pb::CommentEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(next(stream).await.unwrap().unwrap().events);
    }
    assert_eq!(events.len(), count, "{events:?}");
    events
}

/// A comment as events have it.
fn head(comment: &pb::Comment) -> pb::Comment {
    pb::Comment { content: String::new(), reactions: Vec::new(), reply_count: 0, ..comment.clone() }
}

fn before_and_after(event: &pb::CommentEvent) -> (Option<pb::Comment>, Option<pb::Comment>) {
    let Some(Resource::Comment(change)) = event.resource.clone() else { panic!("no comment: {event:?}") };
    (change.before, change.after)
}

#[tokio::test]
async fn events_have_the_comment_before_and_after_without_content() {
    let s = team().await;
    let (mut stream, _) = open(&s, &s.gus, "", Default::default()).await.unwrap();
    let made = comment(&s.mia, to_project(&s.project.id), "@olga one").await.unwrap();
    let edited = edit_comment(&s.mia, &made.id, "two", "").await.unwrap();
    react(&s.olga, &made.id, "👍").await.unwrap();
    let deleted = delete_comment(&s.mia, &made.id).await.unwrap();

    let events = events(&mut stream, 5).await;
    let unread = |comment: &pb::Comment| Some(pb::Comment { etag: String::new(), ..head(comment) });
    assert_eq!(before_and_after(&events[0]), (None, Some(head(&made))));
    assert_eq!(before_and_after(&events[1]), (unread(&made), Some(head(&edited))));
    let reaction = pb::ReactionChange {
        comment_id: made.id.clone(),
        emoji: "👍".to_owned(),
        user_id: s.olga.id.to_string(),
    };
    for (event, kind) in [(&events[2], ChangeKind::Created), (&events[4], ChangeKind::Deleted)] {
        assert_eq!(event.resource, Some(Resource::Reaction(reaction.clone())));
        let change = event.change.clone().unwrap();
        assert_eq!((change.kind(), change.resource_type()), (kind, ResourceType::CommentReaction));
    }
    assert_eq!(before_and_after(&events[3]), (unread(&edited), Some(head(&deleted))));
    let change = events[3].change.clone().unwrap();
    assert_eq!((change.kind(), change.resource_type()), (ChangeKind::Updated, ResourceType::Comment));
    assert!(change.changed_fields.contains(&"deleted_at".to_owned()));
    assert_eq!(change.resource_id, made.id);
}

#[tokio::test]
async fn filters_choose_targets_kinds_and_actors_and_tokens_continue() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "up").await.id;
    let targets = vec![to_document(&document).unwrap()];
    let of_document = || pb::CommentEventFilter { targets: targets.clone(), ..Default::default() };
    let (stream, start) = open(&s, &s.gus, "", of_document()).await.unwrap();
    drop(stream);
    let by_olga = pb::CommentEventFilter { actor_id: s.olga.id.to_string(), ..Default::default() };
    let (mut by_olga, _) = open(&s, &s.gus, "", by_olga).await.unwrap();
    let kinds = vec![ChangeKind::Updated.into()];
    let updated = pb::CommentEventFilter { kinds, ..Default::default() };
    let (mut updated, _) = open(&s, &s.gus, "", updated).await.unwrap();
    comment(&s.olga, to_project(&s.project.id), "elsewhere").await.unwrap();
    let made = comment(&s.mia, to_document(&document), "here").await.unwrap();
    react(&s.mia, &made.id, "👍").await.unwrap();
    let edited = edit_comment(&s.mia, &made.id, "there", "").await.unwrap();

    let (mut stream, _) = open(&s, &s.gus, &start, of_document()).await.unwrap();
    let resumed = events(&mut stream, 3).await;
    assert_eq!(before_and_after(&resumed[0]).1, Some(head(&made)));
    assert!(matches!(resumed[1].resource, Some(Resource::Reaction(_))));
    assert_eq!(before_and_after(&resumed[2]).1, Some(head(&edited)));
    assert_eq!(events(&mut by_olga, 1).await[0].change.as_ref().unwrap().actor_id, s.olga.id.to_string());
    assert_eq!(before_and_after(&events(&mut updated, 1).await[0]).1, Some(head(&edited)));
    for refusal in
        [open(&s, &s.gus, &start, Default::default()).await, open(&s, &s.mia, &start, of_document()).await]
    {
        assert_eq!(summary(&refusal.unwrap_err()), "INVALID_ARGUMENT RESUME_TOKEN_INVALID");
    }
}

#[tokio::test]
async fn streams_end_with_the_permission_to_read_comments() {
    let s = team().await;
    let stranger = open(&s, &s.sam, "", Default::default()).await.unwrap_err();
    assert_eq!(summary(&stranger), "NOT_FOUND RESOURCE_NOT_FOUND");
    let (mut stream, _) = open(&s, &s.gus, "", Default::default()).await.unwrap();
    deny(&s, &s.gus, proto::common::Permission::CommentRead).await;
    let end = loop {
        match next(&mut stream).await {
            Ok(Some(response)) => assert!(response.events.is_empty()),
            Ok(None) => break "OK".to_owned(),
            Err(status) => break summary(&status),
        }
    };
    assert_eq!(end, "PERMISSION_DENIED PERMISSION_MISSING");

    let filter = pb::CommentEventFilter {
        kinds: vec![9],
        actor_id: "x".to_owned(),
        targets: vec![to_project("x").unwrap()],
    };
    let fields = violations(&open(&s, &s.mia, "", filter).await.unwrap_err());
    assert_eq!(fields, ["filter.kinds[0]", "filter.actor_id", "filter.targets[0].project_id"]);
}
