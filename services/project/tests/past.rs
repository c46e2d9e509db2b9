//! Projects and their members at a point in time.

use crate::harness::harness;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::project::v1 as pb;
use shared::json::to_timestamp;
use testkit::*;
use tonic::Status;

use crate::calls::*;
use crate::fixtures::*;

type Members = BTreeMap<String, pb::Member>;

async fn project_at(who: &Actor, project: &pb::Project, at: DateTime<Utc>) -> Result<pb::Project, Status> {
    let request = pb::GetProjectAtRequest { project_id: project.id.clone(), at_time: Some(to_timestamp(at)) };
    Ok(who.projects().get_project_at(request).await?.into_inner())
}

/// All pages of two members.
async fn members_at(who: &Actor, project: &pb::Project, at: DateTime<Utc>) -> Result<Members, Status> {
    let mut members = Members::new();
    let mut request = pb::ListMembersAtRequest {
        project_id: project.id.clone(),
        at_time: Some(to_timestamp(at)),
        page_size: 2,
        ..Default::default()
    };
    loop {
        let page = who.members().list_members_at(request.clone()).await?.into_inner();
        members.extend(page.members.into_iter().map(|member| (member.id.clone(), member)));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(members);
        }
    }
}

/// The current state without etags.
async fn state(who: &Actor, project: &pb::Project) -> (pb::Project, Members) {
    let project = pb::Project { etag: String::new(), ..get(who, project).await.unwrap() };
    let request = pb::ListMembersRequest { project_id: project.id.clone(), ..Default::default() };
    let page = who.members().list_members(request).await.unwrap().into_inner();
    let without_etag = |member: pb::Member| (member.id.clone(), pb::Member { etag: String::new(), ..member });
    (project, page.members.into_iter().map(without_etag).collect())
}

/// One change; may be impossible in the current state.
async fn change(Team { olga, ada, max, gus, project, .. }: &Team, roll: u64) {
    let whom = if roll.is_multiple_of(2) { gus } else { max };
    let _not_possible_now = match roll / 2 % 7 {
        0 => add(olga, joining(project, whom, MEMBER)).await.map(drop),
        1 => remove(olga, project, whom).await,
        2 | 3 => match get_member(olga, project, whom).await {
            Ok(member) => {
                let role = if member.role == ADMIN { VIEWER } else { ADMIN };
                update_member(olga, pb::Member { role, ..member }, &["role"]).await.map(drop)
            }
            Err(refusal) => Err(refusal),
        },
        4 => complete(ada, project, "").await.map(drop),
        5 => reopen(ada, project, "").await.map(drop),
        _ => {
            let renamed =
                pb::Project { name: format!("name {roll}"), etag: String::new(), ..project.clone() };
            update(ada, renamed, &["name"]).await.map(drop)
        }
    };
}

#[tokio::test]
async fn every_recorded_state_can_be_read_back() {
    let team = team().await;
    let Team { vera, project, .. } = &team;
    let mut recorded = Vec::new();
    let mut seed: u64 = 5;
    for _ in 0..60 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        change(&team, seed >> 33).await;
        let state = state(vera, project).await;
        recorded.push((Utc::now(), state));
    }
    let different: std::collections::BTreeSet<_> =
        recorded.iter().map(|(_, (project, members))| format!("{project:?} {members:?}")).collect();
    assert!(different.len() > 20, "{}", different.len());
    for (at, (was, members)) in recorded {
        assert_eq!(project_at(vera, project, at).await.unwrap(), was, "{at}");
        assert_eq!(members_at(vera, project, at).await.unwrap(), members, "{at}");
    }
}

#[tokio::test]
async fn a_project_is_not_found_before_its_creation() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let before = Utc::now();
    let project = olga.project("apollo").await;
    assert_eq!(
        summary(&project_at(&olga, &project, before).await.unwrap_err()),
        "NOT_FOUND RESOURCE_NOT_FOUND"
    );
    assert_eq!(members_at(&olga, &project, before).await.unwrap(), Members::new());
}

#[tokio::test]
async fn the_past_requires_the_permissions_of_the_present() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let [private, public] = [olga.project("private").await, project_seen_by(&olga, "public", PUBLIC).await];
    let now = Utc::now();
    for refusal in [
        project_at(&gus, &private, now).await.map(drop).unwrap_err(),
        members_at(&gus, &private, now).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let expected = pb::Project { etag: String::new(), ..public.clone() };
    assert_eq!(project_at(&suite.anonymous(), &public, now).await.unwrap(), expected);
    let refusal = members_at(&gus, &public, now).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
}

#[tokio::test]
async fn a_time_before_the_retained_changes_is_out_of_range() {
    let Team { suite, olga, project, .. } = &team().await;
    let before = Utc::now();
    let renamed = pb::Project { name: "gemini".to_owned(), ..project.clone() };
    let renamed = update(olga, renamed, &["name"]).await.unwrap();
    let trim = "SELECT project.trim_change_log('0 seconds', 1000)";
    suite.execute(trim).await;
    let expired = "OUT_OF_RANGE CURSOR_EXPIRED";
    assert_eq!(summary(&project_at(olga, project, before).await.unwrap_err()), expired);
    assert_eq!(summary(&members_at(olga, project, before).await.unwrap_err()), expired);
    let now = pb::Project { etag: String::new(), ..renamed };
    assert_eq!(project_at(olga, project, Utc::now()).await.unwrap(), now);
    assert_eq!(members_at(olga, project, Utc::now()).await.unwrap().len(), 4);
}

#[tokio::test]
async fn every_violation_is_reported() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let later = Some(Timestamp { seconds: 32_503_680_000, nanos: 0 });
    let request = pb::GetProjectAtRequest { project_id: "x".to_owned(), at_time: later };
    let refusal = olga.projects().get_project_at(request).await.map(drop).unwrap_err();
    assert_eq!(violations(&refusal), ["project_id", "at_time"]);
    let request = pb::ListMembersAtRequest { page_size: -1, ..Default::default() };
    let refusal = olga.members().list_members_at(request).await.map(drop).unwrap_err();
    assert_eq!(violations(&refusal), ["page_size", "project_id", "at_time"]);
}
