//! What users are notified of.

use diesel::sql_query;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use proto::common::{ChangeKind, ResourceType};
use proto::project::v1 as pb;
use proto::project::v1::NotificationKind::{Assignment, Comment, Creation, Mention, Update};
use proto::project::v1::SubscriptionReason::{Assignee, Choice, Creator, Mentioned};
use testkit::*;

use crate::calls;
use crate::inbox_calls::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_project");

#[tokio::test]
async fn users_are_notified_of_what_others_do() {
    let s = crowd().await;
    let task = s.mia.task(&s.project, "buy milk").await.id;
    settle(&s.suite).await;
    rename(&s.mia, &task, "buy bread").await;
    assign(&s.olga, &task, &s.gus).await;
    settle(&s.suite).await;
    let asked = comment(&s.gus, &task, "@olga, which?").await;

    let of_mia: Vec<_> = filled_inbox(&s.mia, 2).await.iter().map(kind_and_reason).collect();
    assert_eq!(of_mia, [(Comment, Creator), (Update, Creator)]);
    let of_gus: Vec<_> = filled_inbox(&s.gus, 1).await.iter().map(kind_and_reason).collect();
    assert_eq!(of_gus, [(Assignment, Assignee)]);
    // The owner is subscribed to the project; a subscription to the task comes before it.
    let of_olga = filled_inbox(&s.olga, 3).await;
    let kinds: Vec<_> = of_olga.iter().map(kind_and_reason).collect();
    assert_eq!(kinds, [(Mention, Mentioned), (Update, Creator), (Creation, Creator)]);

    let change = of_olga[0].change.as_ref().unwrap();
    assert_eq!((change.kind(), change.resource_type()), (ChangeKind::Created, ResourceType::Comment));
    assert_eq!((&change.resource_id, &change.project_id), (&asked.id, &s.project.id));
    assert_eq!(change.actor_id, s.gus.id.to_string());
    assert_eq!(of_olga[0].target, Some(to_task(&task)));
    let change = of_olga[1].change.as_ref().unwrap();
    assert_eq!(change.changed_fields, ["title"]);
    assert_eq!((change.kind(), change.resource_type()), (ChangeKind::Updated, ResourceType::Task));
}

#[tokio::test]
async fn documents_and_projects_have_notifications() {
    let s = crowd().await;
    let document = s.olga.document(&s.project, "plan", "up").await.id;
    subscribe(&s.mia, to_document(&document)).await.unwrap();
    subscribe(&s.gus, to_project(&s.project.id)).await.unwrap();
    let project = pb::Project { id: s.project.id.clone(), name: "gemini".to_owned(), ..Default::default() };
    calls::update(&s.olga, project, &["name"]).await.unwrap();
    let new = proto::content::v1::Document {
        id: document.clone(),
        title: "the plan".to_owned(),
        ..Default::default()
    };
    let request = proto::content::v1::UpdateDocumentRequest { document: Some(new), ..Default::default() };
    s.olga.documents().update_document(request).await.unwrap();

    let of_mia = filled_inbox(&s.mia, 1).await;
    assert_eq!(
        (kind_and_reason(&of_mia[0]), &of_mia[0].target),
        ((Update, Choice), &Some(to_document(&document)))
    );
    let of_gus = filled_inbox(&s.gus, 2).await;
    let mut targets: Vec<_> = of_gus.iter().map(|one| (kind_and_reason(one), one.target.clone())).collect();
    targets.sort_by_key(|(_, target)| *target != Some(to_document(&document)));
    let expected = [to_document(&document), to_project(&s.project.id)];
    assert_eq!(targets, expected.map(|target| ((Update, Choice), Some(target))));
}

#[tokio::test]
async fn an_edited_comment_notifies_whom_it_mentions_anew() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    let written = comment(&s.olga, &task, "@mia, can you?").await;
    let edited = proto::content::v1::Comment {
        id: written.id,
        content: "@mia, @gus, can you?".to_owned(),
        ..Default::default()
    };
    let request = proto::content::v1::UpdateCommentRequest { comment: Some(edited), ..Default::default() };
    s.olga.comments().update_comment(request).await.unwrap();
    settle(&s.suite).await;
    for who in [&s.mia, &s.gus] {
        let kinds: Vec<_> = inbox(who).await.iter().map(kind_and_reason).collect();
        assert_eq!(kinds, [(Mention, Mentioned)], "{}", who.name);
    }
}

#[tokio::test]
async fn notifications_are_marked_as_read_up_to_a_position() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    subscribe(&s.mia, to_task(&task)).await.unwrap();
    for title in ["one", "two", "three"] {
        rename(&s.olga, &task, title).await;
    }
    let [third, second, first] = filled_inbox(&s.mia, 3).await.try_into().unwrap();
    assert!(first.position < second.position && second.position < third.position);
    assert_eq!(unread(&s.mia).await, 3);
    assert_eq!(mark_read(&s.mia, second.position).await.unwrap(), second.position);
    assert_eq!(unread(&s.mia).await, 1);
    // Nothing becomes unread, and nothing that is yet to come is read.
    assert_eq!(mark_read(&s.mia, first.position).await.unwrap(), second.position);
    let read = |read| pb::NotificationFilter { read: Some(read), ..Default::default() };
    let positions = |found: Vec<pb::Notification>| found.iter().map(|one| one.position).collect::<Vec<_>>();
    assert_eq!(positions(inbox_of(&s.mia, read(false)).await), [third.position]);
    assert_eq!(positions(inbox_of(&s.mia, read(true)).await), [second.position, first.position]);
    assert_eq!(mark_read(&s.mia, i64::MAX).await.unwrap(), third.position);
    assert!(inbox(&s.mia).await.iter().all(|one| one.read));

    assert_eq!(mark_read(&s.sam, 7).await.unwrap(), 0);
    assert_eq!(violations(&mark_read(&s.mia, 0).await.unwrap_err()), ["position"]);
}

#[tokio::test]
async fn filters_and_pages_choose_notifications() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    subscribe(&s.mia, to_task(&task)).await.unwrap();
    rename(&s.olga, &task, "one").await;
    comment(&s.olga, &task, "two").await;
    filled_inbox(&s.mia, 2).await;
    let comments = pb::NotificationFilter { kinds: vec![Comment.into()], ..Default::default() };
    assert_eq!(inbox_of(&s.mia, comments).await.len(), 1);
    let elsewhere = pb::NotificationFilter { project_ids: vec![new_id()], ..Default::default() };
    assert_eq!(inbox_of(&s.mia, elsewhere).await, []);
    let here = pb::NotificationFilter { project_ids: vec![s.project.id.clone()], ..Default::default() };
    assert_eq!(inbox_of(&s.mia, here).await.len(), 2);

    let list = async |who: &Actor, page_token: &str| {
        let page_token = page_token.to_owned();
        let request = pb::ListNotificationsRequest { page_size: 1, page_token, ..Default::default() };
        who.notifications().list_notifications(request).await.map(|page| page.into_inner())
    };
    let first = list(&s.mia, "").await.unwrap();
    let second = list(&s.mia, &first.next_page_token).await.unwrap();
    assert!(second.next_page_token.is_empty());
    assert_eq!([first.notifications, second.notifications].concat(), inbox(&s.mia).await);
    let foreign = list(&s.gus, &first.next_page_token).await.unwrap_err();
    assert_eq!(summary(&foreign), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn two_replicas_notify_once() {
    const COMMENTS: usize = 40;
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    subscribe(&s.mia, to_task(&task)).await.unwrap();
    let mut replica = ServiceProcess::start(&s.suite, PROGRAM, "project").await;
    for number in 0..COMMENTS {
        comment(&s.olga, &task, &format!("number {number}")).await;
        if number == COMMENTS / 2 {
            replica.kill_and_restart(&s.suite).await;
        }
    }
    settle(&s.suite).await;
    let mut sequences: Vec<_> =
        inbox(&s.mia).await.into_iter().map(|one| one.change.unwrap().sequence).collect();
    assert_eq!(sequences.len(), COMMENTS);
    sequences.dedup();
    assert_eq!(sequences.len(), COMMENTS);
    assert!(sequences.is_sorted_by(|newer, older| newer > older));
}

/// Inserts subscriptions of this many users to a task, who need not exist: the project is open to all users.
async fn subscribe_many(s: &Crowd, task: &str, users: i32) {
    let many = format!(
        "INSERT INTO project.subscriptions (target_id, target_type, user_id, project_id, reason) \
         SELECT $1, 'task', gen_random_uuid(), $2, 'choice' FROM generate_series(1, {users})"
    );
    let id = |text: &str| text.parse::<uuid::Uuid>().unwrap();
    let query = sql_query(many).bind::<SqlUuid, _>(id(task)).bind::<SqlUuid, _>(id(&s.project.id));
    query.execute(&mut s.suite.admin_of("project").await).await.unwrap();
}

#[tokio::test]
async fn a_thousand_subscribers_are_notified_and_inboxes_stay_bounded() {
    let s = crowd().await;
    let open = pb::Project { id: s.project.id.clone(), visibility: calls::INTERNAL, ..Default::default() };
    calls::update(&s.olga, open, &["visibility"]).await.unwrap();
    let task = s.olga.task(&s.project, "buy milk").await.id;
    subscribe_many(&s, &task, 1_000).await;
    subscribe(&s.mia, to_task(&task)).await.unwrap();
    // An inbox with all that it may hold.
    let full = "WITH i AS (INSERT INTO project.inboxes (user_id, last_position) VALUES ($1, 1000)) \
        INSERT INTO project.notifications (user_id, position, kind, reason, project_id, target_type, target_id, \
            sequence, changed_at, changed_fields) \
        SELECT $1, n, 'update', 'choice', $2::uuid, 'project', $2::uuid, n, now(), '{name}' FROM generate_series(1, 1000) n";
    sql_query(full)
        .bind::<SqlUuid, _>(s.mia.id)
        .bind::<Text, _>(&s.project.id)
        .execute(&mut s.suite.admin_of("project").await)
        .await
        .unwrap();
    rename(&s.olga, &task, "buy bread").await;
    settle(&s.suite).await;

    let found = inbox(&s.mia).await;
    assert_eq!((found.len(), found[0].position, found[999].position), (1_000, 1_001, 2));
    assert_eq!(unread(&s.mia).await, 1_000);
    let told = "SELECT FROM project.notifications WHERE target_type = 'task'";
    let told = sql_query(told).execute(&mut s.suite.admin_of("project").await).await.unwrap();
    assert_eq!(told, 1_001);
}
