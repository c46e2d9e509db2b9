//! Watching an inbox.

use diesel_async::SimpleAsyncConnection;
use proto::common::Permission;
use proto::project::v1 as pb;
use testkit::*;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::inbox_calls::*;

type Stream = Streaming<pb::WatchInboxResponse>;

/// Opens a stream, and returns it with its first response, which has no notifications.
async fn open(who: &Actor, resume_token: &str) -> Result<(Stream, pb::WatchInboxResponse), Status> {
    let request = pb::WatchInboxRequest { resume_token: resume_token.to_owned() };
    let mut stream = who.notifications().watch_inbox(request).await?.into_inner();
    let first = next(&mut stream).await;
    assert_eq!(first.notifications, []);
    Ok((stream, first))
}

async fn next(stream: &mut Stream) -> pb::WatchInboxResponse {
    timeout(ARRIVAL_TIMEOUT, stream.message()).await.unwrap().unwrap().unwrap()
}

/// Reads until a response is no heartbeat.
async fn news(stream: &mut Stream, known_read_position: i64) -> pb::WatchInboxResponse {
    loop {
        let response = next(stream).await;
        if !response.notifications.is_empty() || response.read_position != known_read_position {
            return response;
        }
    }
}

#[tokio::test]
async fn new_notifications_and_the_read_position_arrive() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    subscribe(&s.mia, to_task(&task)).await.unwrap();
    let (mut stream, first) = open(&s.mia, "").await.unwrap();
    rename(&s.olga, &task, "one").await;
    let arrived = news(&mut stream, 0).await;
    assert_eq!(arrived.notifications, inbox(&s.mia).await);
    let position = arrived.notifications[0].position;
    mark_read(&s.mia, position).await.unwrap();
    let read = news(&mut stream, 0).await;
    assert_eq!((read.notifications.len(), read.read_position), (0, position));
    drop(stream);

    rename(&s.olga, &task, "two").await;
    filled_inbox(&s.mia, 2).await;
    let (mut resumed, _) = open(&s.mia, &arrived.resume_token).await.unwrap();
    let missed = next(&mut resumed).await.notifications;
    assert_eq!(missed, inbox(&s.mia).await[..1]);
    let (mut again, _) = open(&s.mia, &first.resume_token).await.unwrap();
    assert_eq!(next(&mut again).await.notifications.len(), 2);
    let foreign = open(&s.gus, &first.resume_token).await.unwrap_err();
    assert_eq!(summary(&foreign), "INVALID_ARGUMENT RESUME_TOKEN_INVALID");
}

#[tokio::test]
async fn what_the_caller_may_not_read_does_not_arrive() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    subscribe(&s.mia, to_task(&task)).await.unwrap();
    let (mut stream, _) = open(&s.mia, "").await.unwrap();
    deny(&s, &s.mia, Some(Permission::TaskRead)).await;
    rename(&s.olga, &task, "hidden").await;
    settle(&s.suite).await;
    comment(&s.olga, &task, "shown").await;
    let arrived = news(&mut stream, 0).await;
    assert_eq!(
        arrived.notifications.iter().map(pb::Notification::kind).collect::<Vec<_>>(),
        [pb::NotificationKind::Comment]
    );

    // A position ahead of the inbox is of another one, as before a restored backup.
    let mut admin = s.suite.admin_of("project").await;
    admin.batch_execute("DELETE FROM project.inboxes").await.unwrap();
    let ahead = open(&s.mia, &arrived.resume_token).await.unwrap_err();
    assert_eq!(summary(&ahead), "OUT_OF_RANGE CURSOR_EXPIRED");
}
