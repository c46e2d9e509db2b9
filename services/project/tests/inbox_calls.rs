//! One-line calls about subscriptions and inboxes, of a suite in which tasks and documents have events.

use std::time::Duration;

use proto::common::Permission;
use proto::content::v1 as content;
use proto::project::v1 as pb;
use proto::project::v1::subscription_target::Target;
use proto::project::v1::{NotificationKind, SubscriptionReason};
use proto::task::v1 as task;
use testkit::*;
use tonic::Status;

use crate::calls;
use crate::harness::harness_of_all;

/// How long events take to arrive, on a busy machine.
pub const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Olga owns a project in which Mia and Gus are members; Sam is a stranger.
pub struct Crowd {
    pub suite: Suite,
    pub olga: Actor,
    pub mia: Actor,
    pub gus: Actor,
    pub sam: Actor,
    pub project: pb::Project,
}

pub async fn crowd() -> Crowd {
    let suite = harness_of_all().start().await;
    let [olga, mia, gus, sam] = suite.guests(["olga", "mia", "gus", "sam"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &mia, pb::ProjectRole::Member).await;
    olga.add(&project, &gus, pb::ProjectRole::Member).await;
    Crowd { suite, olga, mia, gus, sam, project }
}

pub fn to_task(id: &str) -> pb::SubscriptionTarget {
    pb::SubscriptionTarget { target: Some(Target::TaskId(id.to_owned())) }
}

pub fn to_document(id: &str) -> pb::SubscriptionTarget {
    pb::SubscriptionTarget { target: Some(Target::DocumentId(id.to_owned())) }
}

pub fn to_project(id: &str) -> pb::SubscriptionTarget {
    pb::SubscriptionTarget { target: Some(Target::ProjectId(id.to_owned())) }
}

pub async fn subscribe(who: &Actor, target: pb::SubscriptionTarget) -> Result<pb::Subscription, Status> {
    let request = pb::SubscribeRequest { target: Some(target) };
    Ok(who.notifications().subscribe(request).await?.into_inner())
}

pub async fn unsubscribe(who: &Actor, target: pb::SubscriptionTarget) -> Result<(), Status> {
    let request = pb::UnsubscribeRequest { target: Some(target) };
    who.notifications().unsubscribe(request).await.map(|_| ())
}

pub async fn subscription(who: &Actor, target: pb::SubscriptionTarget) -> Result<pb::Subscription, Status> {
    let request = pb::GetSubscriptionRequest { target: Some(target) };
    Ok(who.notifications().get_subscription(request).await?.into_inner())
}

/// The targets of all subscriptions and their reasons, newest first, page by page.
pub async fn subscriptions(
    who: &Actor,
    page_size: i32,
) -> Vec<(Option<pb::SubscriptionTarget>, SubscriptionReason)> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSubscriptionsRequest { page_size, page_token, ..Default::default() };
        let page = who.notifications().list_subscriptions(request).await.unwrap().into_inner();
        all.extend(page.subscriptions.into_iter().map(|one| (one.target.clone(), one.reason())));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

pub async fn inbox_of(who: &Actor, filter: pb::NotificationFilter) -> Vec<pb::Notification> {
    let request =
        pb::ListNotificationsRequest { filter: Some(filter), page_size: 1_000, ..Default::default() };
    who.notifications().list_notifications(request).await.unwrap().into_inner().notifications
}

/// All notifications, newest first.
pub async fn inbox(who: &Actor) -> Vec<pb::Notification> {
    inbox_of(who, pb::NotificationFilter::default()).await
}

/// What a notification is about, in short.
pub fn kind_and_reason(notification: &pb::Notification) -> (NotificationKind, SubscriptionReason) {
    (notification.kind(), notification.reason())
}

/// Waits until an inbox has so many notifications, and returns them, newest first.
pub async fn filled_inbox(who: &Actor, count: usize) -> Vec<pb::Notification> {
    until_ok("the notifications", ARRIVAL_TIMEOUT, async || {
        let found = inbox(who).await;
        if found.len() == count { Ok(found) } else { Err(found.len()) }
    })
    .await
}

/// Waits until all events of tasks and documents until now have arrived: those of a project of the caller's own, which were
/// made later, have.
pub async fn settle(suite: &Suite) {
    let eve = suite.guest(&format!("eve-{}", new_id())).await;
    let project = eve.project("later").await;
    let task = eve.task(&project, "later").await.id;
    let document = eve.document(&project, "later", "").await.id;
    for target in [to_task(&task), to_document(&document), to_project(&project.id)] {
        until("a later event", ARRIVAL_TIMEOUT, async || subscription(&eve, target.clone()).await.is_ok())
            .await;
    }
}

pub async fn unread(who: &Actor) -> i32 {
    let request = pb::CountUnreadNotificationsRequest {};
    who.notifications().count_unread_notifications(request).await.unwrap().into_inner().count
}

pub async fn mark_read(who: &Actor, position: i64) -> Result<i64, Status> {
    let request = pb::MarkNotificationsReadRequest { position };
    Ok(who.notifications().mark_notifications_read(request).await?.into_inner().read_position)
}

pub async fn comment(who: &Actor, task_id: &str, text: &str) -> content::Comment {
    let target = content::content_target::Target::TaskId(task_id.to_owned());
    let comment = content::Comment {
        target: Some(content::ContentTarget { target: Some(target) }),
        content: text.to_owned(),
        ..Default::default()
    };
    let request = content::CreateCommentRequest { comment: Some(comment), ..Default::default() };
    who.comments().create_comment(request).await.unwrap().into_inner()
}

pub async fn rename(who: &Actor, task_id: &str, title: &str) {
    change_task(who, task::Task { id: task_id.to_owned(), title: title.to_owned(), ..Default::default() })
        .await;
}

pub async fn assign(who: &Actor, task_id: &str, assignee: &Actor) {
    let assignee_id = Some(assignee.id.to_string());
    change_task(who, task::Task { id: task_id.to_owned(), assignee_id, ..Default::default() }).await;
}

async fn change_task(who: &Actor, task: task::Task) {
    let request = task::UpdateTaskRequest { task: Some(task), ..Default::default() };
    who.tasks().update_task(request).await.unwrap();
}

/// Denies a member a permission; without one, nothing.
pub async fn deny(s: &Crowd, who: &Actor, permission: Option<Permission>) {
    let member = pb::Member {
        project_id: s.project.id.clone(),
        user_id: who.id.to_string(),
        denied_permissions: permission.into_iter().map(i32::from).collect(),
        ..Default::default()
    };
    let request =
        pb::UpdateMemberRequest { member: Some(member), update_mask: calls::mask(&["denied_permissions"]) };
    s.olga.members().update_member(request).await.unwrap();
}

pub async fn remove(s: &Crowd, who: &Actor) {
    let request = pb::RemoveMemberRequest {
        project_id: s.project.id.clone(),
        user_id: who.id.to_string(),
        ..Default::default()
    };
    s.olga.members().remove_member(request).await.unwrap();
}
