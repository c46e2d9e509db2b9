//! Nobody is shown a notification about what they may not see when they read.

use diesel::sql_query;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use local_servers::suite::Role;
use proto::common::Permission;
use proto::content::v1 as content;
use proto::project::backend::v1::EraseInviteeRequest;
use proto::project::v1 as pb;
use proto::task::v1 as task;
use testkit::*;

use crate::calls;
use crate::inbox_calls::*;

/// Mia has a notification about a task of Olga's, and one about a comment on it.
async fn notified() -> (Crowd, task::Task, content::Comment) {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await;
    subscribe(&s.mia, to_task(&task.id)).await.unwrap();
    rename(&s.olga, &task.id, "buy bread").await;
    filled_inbox(&s.mia, 1).await;
    let comment = comment(&s.olga, &task.id, "which?").await;
    filled_inbox(&s.mia, 2).await;
    (s, task, comment)
}

#[tokio::test]
async fn permissions_count_when_an_inbox_is_read() {
    let (s, ..) = notified().await;
    for (permission, shown) in
        [(Permission::TaskRead, 1), (Permission::CommentRead, 1), (Permission::DocumentRead, 2)]
    {
        deny(&s, &s.mia, Some(permission)).await;
        assert_eq!(
            (inbox(&s.mia).await.len(), unread(&s.mia).await),
            (shown, shown as i32),
            "{permission:?}"
        );
    }
    deny(&s, &s.mia, None).await;
    assert_eq!(inbox(&s.mia).await.len(), 2);
    remove(&s, &s.mia).await;
    assert_eq!((inbox(&s.mia).await.len(), unread(&s.mia).await), (0, 0));
}

#[tokio::test]
async fn a_member_removed_between_event_and_arrival_is_not_notified() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    subscribe(&s.mia, to_task(&task)).await.unwrap();
    rename(&s.olga, &task, "buy bread").await;
    remove(&s, &s.mia).await;
    settle(&s.suite).await;
    assert_eq!(inbox(&s.mia).await, []);
    comment(&s.olga, &task, "and butter").await;
    settle(&s.suite).await;
    // Neither is one who comes back shown what happened meanwhile.
    s.olga.add(&s.project, &s.mia, pb::ProjectRole::Member).await;
    assert!(inbox(&s.mia).await.iter().all(|one| one.kind() != pb::NotificationKind::Comment));
}

#[tokio::test]
async fn what_is_deleted_is_not_shown() {
    let (s, task, comment) = notified().await;
    let request = content::DeleteCommentRequest { comment_id: comment.id, ..Default::default() };
    s.olga.comments().delete_comment(request).await.unwrap();
    filled_inbox(&s.mia, 1).await;
    let request = task::DeleteTaskRequest { task_id: task.id, ..Default::default() };
    s.olga.tasks().delete_task(request).await.unwrap();
    filled_inbox(&s.mia, 0).await;

    let task = s.olga.task(&s.project, "buy milk").await.id;
    subscribe(&s.mia, to_task(&task)).await.unwrap();
    rename(&s.olga, &task, "buy bread").await;
    filled_inbox(&s.mia, 1).await;
    calls::delete(&s.olga, &s.project, "").await.unwrap();
    assert_eq!(inbox(&s.mia).await, []);
    let rows = "SELECT FROM project.notifications UNION ALL SELECT FROM project.subscriptions";
    until("no rows of a deleted project", ARRIVAL_TIMEOUT, async || {
        sql_query(rows).execute(&mut s.suite.admin_of("project").await).await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_an_erased_user() {
    let (s, ..) = notified().await;
    let all = pb::NotificationPreferences { muted_kinds: vec![1], ..Default::default() };
    let request = pb::UpdateNotificationPreferencesRequest { preferences: Some(all), ..Default::default() };
    s.mia.notifications().update_notification_preferences(request).await.unwrap();
    let mut admin = s.suite.admin_of("project").await;
    let mut count = async || {
        let mut counts = Vec::new();
        for table in ["subscriptions", "notifications", "inboxes", "notification_preferences"] {
            let rows = format!("SELECT FROM project.{table} WHERE user_id = '{}'", s.mia.id);
            counts.push(sql_query(rows).execute(&mut admin).await.unwrap());
        }
        counts
    };
    assert_eq!(count().await, [1, 2, 1, 1]);
    let request = EraseInviteeRequest { user_id: s.mia.id.to_string(), email: "mia@example.org".to_owned() };
    s.suite.as_service("identity").project_invitations().erase_invitee(request).await.unwrap();
    assert_eq!(count().await, [0; 4]);
}

#[tokio::test]
async fn sql_on_behalf_of_another_user_touches_no_inbox() {
    let (s, ..) = notified().await;
    settle(&s.suite).await;
    let mut conn = s.suite.connect_as(Role::requests_of("project")).await;
    for (user, expected) in [(s.mia.id, [1, 2, 1, 1]), (s.olga.id, [2, 0, 0, 0]), (s.sam.id, [0; 4])] {
        let mut touched = Vec::new();
        for statement in [
            "SELECT FROM project.subscriptions",
            "SELECT FROM project.notifications",
            "SELECT FROM project.inboxes",
            "UPDATE project.inboxes SET read_position = 1",
        ] {
            conn.batch_execute(&format!("BEGIN; SET LOCAL app.current_user_id = '{user}'")).await.unwrap();
            touched.push(sql_query(statement).execute(&mut conn).await.unwrap());
            conn.batch_execute("ROLLBACK").await.unwrap();
        }
        assert_eq!(touched, expected, "{user}");
    }
    let intrusion = format!(
        "BEGIN; SET LOCAL app.current_user_id = '{}'; \
         INSERT INTO project.subscriptions (target_id, target_type, user_id, project_id, reason) \
         VALUES ('{project}', 'project', '{}', '{project}', 'choice')",
        s.sam.id,
        s.sam.id,
        project = s.project.id,
    );
    let refusal = conn.batch_execute(&intrusion).await.unwrap_err();
    assert!(refusal.to_string().contains("row-level security"), "{refusal}");
}
