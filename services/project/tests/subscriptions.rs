//! Subscribing by choice, and being subscribed.

use diesel::sql_query;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::RunQueryDsl;
use proto::common::Permission;
use proto::project::v1 as pb;
use proto::project::v1::SubscriptionReason::{Assignee, Choice, Creator, Mentioned};
use testkit::*;

use crate::inbox_calls::*;

#[tokio::test]
async fn a_subscription_is_there_until_it_is_ended() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    let document = s.olga.document(&s.project, "plan", "up").await.id;
    let targets = [to_task(&task), to_document(&document), to_project(&s.project.id)];
    for target in &targets {
        let made = subscribe(&s.mia, target.clone()).await.unwrap();
        assert_eq!((made.target.as_ref(), made.reason()), (Some(target), Choice));
        assert_eq!(made.project_id, s.project.id);
        assert_eq!(subscribe(&s.mia, target.clone()).await.unwrap(), made);
        assert_eq!(subscription(&s.mia, target.clone()).await.unwrap(), made);
    }
    let newest_first: Vec<_> = targets.iter().rev().map(|target| (Some(target.clone()), Choice)).collect();
    assert_eq!(subscriptions(&s.mia, 2).await, newest_first);
    assert_eq!(subscriptions(&s.sam, 0).await, []);

    for _ in 0..2 {
        unsubscribe(&s.mia, to_task(&task)).await.unwrap();
    }
    let ended = subscription(&s.mia, to_task(&task)).await.unwrap_err();
    assert_eq!(summary(&ended), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(subscriptions(&s.mia, 0).await, newest_first[..2]);
}

#[tokio::test]
async fn nobody_subscribes_to_what_they_may_not_read() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    let document = s.olga.document(&s.project, "plan", "up").await.id;
    for target in [to_task(&task), to_document(&document), to_project(&s.project.id)] {
        let hidden = subscribe(&s.sam, target).await.unwrap_err();
        assert_eq!(summary(&hidden), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    for target in [to_task(&new_id()), to_document(&new_id()), to_project(&new_id())] {
        let missing = subscribe(&s.mia, target).await.unwrap_err();
        assert_eq!(summary(&missing), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    deny(&s, &s.mia, Some(Permission::TaskRead)).await;
    let denied = subscribe(&s.mia, to_task(&task)).await.unwrap_err();
    assert_eq!(summary(&denied), "PERMISSION_DENIED PERMISSION_MISSING");
    subscribe(&s.mia, to_document(&document)).await.unwrap();

    let nothing = pb::SubscribeRequest { target: Some(pb::SubscriptionTarget::default()) };
    let refusal = s.mia.notifications().subscribe(nothing).await.unwrap_err();
    assert_eq!(violations(&refusal), ["target.target"]);
    let refusal = subscribe(&s.mia, to_task("x")).await.unwrap_err();
    assert_eq!(violations(&refusal), ["target.task_id"]);
}

#[tokio::test]
async fn creators_assignees_and_mentioned_users_are_subscribed() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    let document = s.mia.document(&s.project, "plan", "up").await.id;
    assign(&s.olga, &task, &s.mia).await;
    comment(&s.olga, &task, "@gus, can you help?").await;
    settle(&s.suite).await;

    let by_olga = [(Some(to_task(&task)), Creator), (Some(to_project(&s.project.id)), Creator)];
    assert_eq!(subscriptions(&s.olga, 0).await, by_olga);
    let by_mia = [(Some(to_task(&task)), Assignee), (Some(to_document(&document)), Creator)];
    assert_eq!(subscriptions(&s.mia, 0).await, by_mia);
    assert_eq!(subscriptions(&s.gus, 0).await, [(Some(to_task(&task)), Mentioned)]);

    unsubscribe(&s.gus, to_task(&task)).await.unwrap();
    rename(&s.olga, &task, "buy bread").await;
    settle(&s.suite).await;
    assert_eq!(subscriptions(&s.gus, 0).await, []);
    assign(&s.olga, &task, &s.gus).await;
    settle(&s.suite).await;
    assert_eq!(subscriptions(&s.gus, 0).await, [(Some(to_task(&task)), Assignee)]);
}

#[tokio::test]
async fn who_leaves_and_what_is_deleted_has_no_subscription() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await;
    subscribe(&s.mia, to_task(&task.id)).await.unwrap();
    subscribe(&s.gus, to_task(&task.id)).await.unwrap();
    remove(&s, &s.mia).await;
    s.olga.add(&s.project, &s.mia, pb::ProjectRole::Member).await;
    assert_eq!(subscriptions(&s.mia, 0).await, []);

    let request = proto::task::v1::DeleteTaskRequest { task_id: task.id.clone(), etag: task.etag };
    s.olga.tasks().delete_task(request).await.unwrap();
    until("no subscription to a deleted task", ARRIVAL_TIMEOUT, async || {
        subscriptions(&s.gus, 0).await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn subscriptions_by_choice_are_limited() {
    let s = crowd().await;
    let many = "INSERT INTO project.subscriptions (target_id, target_type, user_id, project_id, reason) \
        SELECT gen_random_uuid(), 'task', $1, $2, 'choice' FROM generate_series(1, 10000)";
    sql_query(many)
        .bind::<SqlUuid, _>(s.mia.id)
        .bind::<SqlUuid, _>(s.project.id.parse::<uuid::Uuid>().unwrap())
        .execute(&mut s.suite.admin_of("project").await)
        .await
        .unwrap();
    let refusal = subscribe(&s.mia, to_project(&s.project.id)).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TOO_MANY_SUBSCRIPTIONS");
}
