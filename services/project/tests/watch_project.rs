//! The stream of a project's changes.

use crate::calls::*;
use crate::harness::harness;
use crate::watcher::*;
use proto::common::{ChangeKind, Permission, ResourceType};
use proto::project::v1::project_event::Resource;
use proto::project::v1::{Member, Project, ProjectEventFilter, ProjectRole, WatchProjectRequest};
use testkit::*;

async fn invite_address(who: &Actor, project: &Project, email: &str) {
    invite(who, inviting(project, email, 0)).await.unwrap();
}

#[tokio::test]
async fn the_owner_receives_every_change_with_actor_and_both_states() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let mut watcher = Watcher::from_now(&suite, &olga, &project).await;

    let renamed =
        update(&olga, Project { name: "gemini".to_owned(), ..project.clone() }, &["name"]).await.unwrap();
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    invite_address(&olga, &project, "vera@example.org").await;
    let offered = offer(&olga, offering(&project, &gus)).await.unwrap();
    decline(&gus, &offered, "").await.unwrap();

    let events = watcher.until(5).await;
    assert_eq!(
        describe(events),
        [
            "project updated name,updated_at",
            "member created",
            "invitation created",
            "transfer created",
            "transfer updated closed_at,status"
        ]
    );
    let Some(Resource::Project(change)) = &events[0].resource else { panic!("{events:?}") };
    assert_eq!(change.before, Some(Project { etag: String::new(), ..project }));
    assert_eq!(change.after, Some(renamed));
    assert_eq!(change_of(&events[0]).actor_id, olga.id.to_string());
    assert_eq!(change_of(&events[4]).actor_id, gus.id.to_string());
    assert_eq!(change_of(&events[0]).trace_id.len(), 32);
    assert!(events.windows(2).all(|pair| change_of(&pair[0]).sequence < change_of(&pair[1]).sequence));
}

#[tokio::test]
async fn each_watcher_receives_what_they_may_read() {
    let suite = harness().start().await;
    let [olga, vera, gus] = suite.guests(["olga", "vera", "gus"]).await;
    let project = project_seen_by(&olga, "apollo", PUBLIC).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    let mut viewer = Watcher::from_now(&suite, &vera, &project).await;
    let mut visitor = Watcher::from_now(&suite, &suite.anonymous(), &project).await;

    invite_address(&olga, &project, "max@example.org").await;
    olga.add(&project, &gus, ProjectRole::Member).await;
    complete(&olga, &project, "").await.unwrap();

    assert_eq!(describe(viewer.until(2).await), ["member created", "project updated status,updated_at"]);
    assert_eq!(describe(visitor.until(1).await), ["project updated status,updated_at"]);

    let stranger = olga.project("private").await;
    let refusal = Watcher::of(&gus, watch(&stranger, "")).await.err().unwrap();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a_resumed_watch_receives_every_change_once() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let mut watcher = Watcher::from_now(&suite, &olga, &project).await;
    let mut names = Vec::new();
    for round in 0..5 {
        for n in 0..3 {
            let name = format!("{round}.{n}");
            let change = Project { name: name.clone(), etag: String::new(), ..project.clone() };
            update(&olga, change, &["name"]).await.unwrap();
            names.push(name);
        }
        watcher.until(round * 3 + 1).await;
        let request = watch(&project, &watcher.token);
        let seen = std::mem::take(&mut watcher.seen);
        watcher = Watcher::of(&olga, request).await.unwrap();
        watcher.seen = seen;
    }
    let heard: Vec<_> = watcher
        .until(15)
        .await
        .iter()
        .map(|event| match &event.resource {
            Some(Resource::Project(change)) => change.after.clone().unwrap().name,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(heard, names);
}

#[tokio::test]
async fn a_removed_member_receives_no_later_change() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &gus, ProjectRole::Member).await;
    let mut watcher = Watcher::from_now(&suite, &gus, &project).await;
    complete(&olga, &project, "").await.unwrap();
    watcher.until(1).await;
    remove(&olga, &project, &gus).await.unwrap();
    let secret = Project { name: "secret".to_owned(), etag: String::new(), ..project.clone() };
    update(&olga, secret, &["name"]).await.unwrap();

    let end = watcher.end().await;

    assert_eq!(summary(&end), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert!(!format!("{:?}", watcher.seen).contains("secret"));
    let refusal = Watcher::of(&gus, watch(&project, &watcher.token)).await.err().unwrap();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a_changed_role_changes_what_the_stream_sends() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let member = olga.add(&project, &gus, ProjectRole::Admin).await;
    let mut watcher = Watcher::from_now(&suite, &gus, &project).await;
    invite_address(&olga, &project, "a@example.org").await;
    assert_eq!(describe(watcher.until(1).await), ["invitation created"]);
    let demoted = proto::project::v1::Member { role: VIEWER, ..member };
    update_member(&olga, demoted, &["role"]).await.unwrap();
    invite_address(&olga, &project, "b@example.org").await;
    complete(&olga, &project, "").await.unwrap();
    let events = describe(watcher.until(3).await);
    assert_eq!(events, ["invitation created", "member updated role", "project updated status,updated_at"]);
}

#[tokio::test]
async fn the_stream_of_a_deleted_project_ends() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let mut watcher = Watcher::from_now(&suite, &olga, &project).await;
    delete(&olga, &project, "").await.unwrap();
    assert_eq!(summary(&watcher.end().await), "NOT_FOUND RESOURCE_NOT_FOUND");
}

fn only_members() -> ProjectEventFilter {
    ProjectEventFilter { resource_types: vec![ResourceType::Member.into()], ..Default::default() }
}

#[tokio::test]
async fn kinds_and_actors_filter_a_watch() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    suite.wait_for_open_transactions().await;
    let by_gus = ProjectEventFilter { actor_id: gus.id.to_string(), ..Default::default() };
    let deleted = ProjectEventFilter { kinds: vec![ChangeKind::Deleted.into()], ..Default::default() };
    for filter in [by_gus, deleted] {
        let request = WatchProjectRequest { filter: Some(filter), ..watch(&project, "") };
        let mut watcher = Watcher::of(&olga, request).await.unwrap();
        watcher.next().await.unwrap();
        olga.add(&project, &gus, ProjectRole::Viewer).await;
        leave(&gus, &project).await.unwrap();
        let events = watcher.until(1).await;
        assert_eq!(describe(events), ["member deleted"]);
        let change = change_of(&events[0]);
        assert_eq!((change.resource_type(), &change.project_id), (ResourceType::Member, &project.id));
    }
}

#[tokio::test]
async fn changed_fields_have_their_api_names() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let member = olga.add(&project, &gus, ProjectRole::Member).await;
    let mut watcher = Watcher::from_now(&suite, &olga, &project).await;
    let exceptions = granting(MEMBER, Permission::TaskDelete);
    let granted = Member { granted_permissions: exceptions.granted_permissions, ..member };
    update_member(&olga, granted, &["granted_permissions"]).await.unwrap();
    let renamed = Project { key: "MOON".to_owned(), ..project };
    update(&olga, renamed, &["key"]).await.unwrap();
    let expected = ["member updated granted_permissions", "project updated key,updated_at"];
    assert_eq!(describe(watcher.until(2).await), expected);
}

#[tokio::test]
async fn a_watch_is_filtered_and_its_token_is_bound_to_the_filter() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let members = WatchProjectRequest { filter: Some(only_members()), ..watch(&project, "") };
    suite.wait_for_open_transactions().await;
    let mut watcher = Watcher::of(&olga, members.clone()).await.unwrap();
    watcher.next().await.unwrap();
    complete(&olga, &project, "").await.unwrap();
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    leave(&gus, &project).await.unwrap();
    let events = watcher.until(2).await;
    assert_eq!(describe(events), ["member created", "member deleted"]);
    assert_eq!(change_of(&events[1]).kind(), ChangeKind::Deleted);

    let token = watcher.token.clone();
    let other = WatchProjectRequest { resume_token: token.clone(), filter: None, ..members.clone() };
    let forged = WatchProjectRequest { resume_token: format!("{token}A"), ..members.clone() };
    let gemini = olga.project("gemini").await;
    let elsewhere = WatchProjectRequest { project_id: gemini.id, resume_token: token.clone(), ..members };
    for request in [other, forged, elsewhere] {
        let refusal = Watcher::of(&olga, request).await.err().unwrap();
        assert_eq!(summary(&refusal), "INVALID_ARGUMENT RESUME_TOKEN_INVALID");
    }
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    let whole = Watcher::from_now(&suite, &olga, &project).await.token;
    let refusal = Watcher::of(&gus, watch(&project, &whole)).await.err().unwrap();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT RESUME_TOKEN_INVALID", "a token is its reader's own");
    let filter = ProjectEventFilter { resource_types: vec![0], kinds: vec![9], actor_id: "x".to_owned() };
    let garbage =
        WatchProjectRequest { project_id: "x".to_owned(), filter: Some(filter), ..Default::default() };
    let refusal = Watcher::of(&olga, garbage).await.err().unwrap();
    assert_eq!(
        violations(&refusal),
        ["project_id", "filter.kinds[0]", "filter.resource_types[0]", "filter.actor_id"]
    );
}
