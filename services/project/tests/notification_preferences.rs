//! What users do not want to be notified of.

use proto::project::v1 as pb;
use proto::project::v1::NotificationKind::{Comment, Update};
use testkit::*;
use tonic::Status;

use crate::calls::mask;
use crate::inbox_calls::*;

async fn preferences(who: &Actor, project_id: &str) -> Result<pb::NotificationPreferences, Status> {
    let request = pb::GetNotificationPreferencesRequest { project_id: project_id.to_owned() };
    Ok(who.notifications().get_notification_preferences(request).await?.into_inner())
}

async fn change(
    who: &Actor,
    preferences: pb::NotificationPreferences,
    paths: &[&str],
) -> Result<pb::NotificationPreferences, Status> {
    let request = pb::UpdateNotificationPreferencesRequest {
        preferences: Some(preferences),
        update_mask: if paths.is_empty() { None } else { mask(paths) },
    };
    Ok(who.notifications().update_notification_preferences(request).await?.into_inner())
}

fn muting(kind: pb::NotificationKind) -> pb::NotificationPreferences {
    pb::NotificationPreferences { muted_kinds: vec![kind.into()], ..Default::default() }
}

#[tokio::test]
async fn kinds_are_muted_for_all_projects_and_unmuted_for_one() {
    let s = crowd().await;
    let task = s.olga.task(&s.project, "buy milk").await.id;
    for who in [&s.mia, &s.gus] {
        subscribe(who, to_task(&task)).await.unwrap();
        change(who, muting(Update), &[]).await.unwrap();
    }
    let unmuted = pb::NotificationPreferences {
        project_id: s.project.id.clone(),
        unmuted_kinds: vec![Update.into()],
        muted_kinds: vec![Comment.into()],
        ..Default::default()
    };
    change(&s.gus, unmuted, &[]).await.unwrap();
    rename(&s.olga, &task, "buy bread").await;
    comment(&s.olga, &task, "which?").await;
    settle(&s.suite).await;
    let kinds = async |who| inbox(who).await.iter().map(pb::Notification::kind).collect::<Vec<_>>();
    assert_eq!(kinds(&s.mia).await, [Comment]);
    assert_eq!(kinds(&s.gus).await, [Update]);
}

#[tokio::test]
async fn preferences_change_by_mask_and_etag() {
    let s = crowd().await;
    let project_id = s.project.id.clone();
    let first = preferences(&s.mia, &project_id).await.unwrap();
    assert_eq!(first.muted_kinds, [0; 0]);
    let of_project = |etag: &str, preferences| pb::NotificationPreferences {
        project_id: project_id.clone(),
        etag: etag.to_owned(),
        ..preferences
    };
    let muted = change(&s.mia, of_project(&first.etag, muting(Update)), &[]).await.unwrap();
    assert_eq!(muted, preferences(&s.mia, &project_id).await.unwrap());
    let stale = change(&s.mia, of_project(&first.etag, muting(Comment)), &[]).await.unwrap_err();
    assert_eq!(summary(&stale), "ABORTED ETAG_MISMATCH");
    assert_eq!(muted, preferences(&s.mia, &project_id).await.unwrap());

    let unmuted = pb::NotificationPreferences { unmuted_kinds: vec![Update.into()], ..Default::default() };
    let unmuted = change(&s.mia, of_project("", unmuted), &[]).await.unwrap();
    assert_eq!((unmuted.muted_kinds, unmuted.unmuted_kinds), (Vec::new(), vec![i32::from(Update)]));
    let cleared = change(&s.mia, of_project("", Default::default()), &["*"]).await.unwrap();
    assert_eq!((cleared.muted_kinds.len(), cleared.unmuted_kinds.len()), (0, 0));
    assert_eq!(preferences(&s.gus, &project_id).await.unwrap().muted_kinds, [0; 0]);
}

#[tokio::test]
async fn preferences_of_a_hidden_project_and_contradictions_are_refused() {
    let s = crowd().await;
    let hidden = [
        preferences(&s.sam, &s.project.id).await.unwrap_err(),
        change(
            &s.sam,
            pb::NotificationPreferences { project_id: s.project.id.clone(), ..muting(Update) },
            &[],
        )
        .await
        .unwrap_err(),
    ];
    for refusal in hidden {
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let both = pb::NotificationPreferences {
        project_id: s.project.id.clone(),
        unmuted_kinds: vec![Update.into()],
        ..muting(Update)
    };
    let refusal = change(&s.mia, both, &[]).await.unwrap_err();
    assert_eq!(violations(&refusal), ["preferences.unmuted_kinds"]);
    let without_project =
        pb::NotificationPreferences { unmuted_kinds: vec![Update.into()], ..Default::default() };
    let refusal = change(&s.mia, without_project, &["etag"]).await.unwrap_err();
    assert_eq!(violations(&refusal), ["update_mask", "preferences.unmuted_kinds"]);
}
