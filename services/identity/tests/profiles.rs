//! What users tell about themselves.

use crate::fixtures::*;
use crate::harness::harness;
use prost_types::FieldMask;
use proto::common::{StructPatch, StructPath};
use proto::identity::v1 as pb;
use serde_json::json;
use shared::json::{from_struct, to_struct};
use testkit::*;

fn get(actor: &Actor) -> pb::GetUserProfileRequest {
    pb::GetUserProfileRequest { user_id: actor.id.to_string() }
}

async fn read(actor: &Actor) -> pb::UserProfile {
    actor.account().get_user_profile(get(actor)).await.unwrap().into_inner()
}

fn change(profile: &pb::UserProfile, paths: &[&str]) -> pb::UpdateUserProfileRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateUserProfileRequest {
        profile: Some(profile.clone()),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    }
}

const ALL: [&str; 5] = ["bio", "location", "website_url", "social_links", "preferences"];

#[tokio::test]
async fn update_user_profile_changes_every_field() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let before = read(&olga).await;
    let wanted = pb::UserProfile {
        bio: Some("Writes\nsoftware.".to_owned()),
        location: Some("Gdańsk".to_owned()),
        website_url: Some("https://example.org".to_owned()),
        social_links: Some(to_struct(&json!({"fediverse": "https://example.org/@olga"}))),
        preferences: Some(to_struct(&json!({"language": "pl", "size": 12}))),
        ..before.clone()
    };

    let after = olga.account().update_user_profile(change(&wanted, &ALL)).await.unwrap().into_inner();

    assert_eq!(after, read(&olga).await);
    assert_ne!(after.etag, before.etag);
    assert_eq!(after, pb::UserProfile { etag: after.etag.clone(), updated_at: after.updated_at, ..wanted });
    let cleared = pb::UserProfile { bio: None, location: None, ..after.clone() };
    let once_more =
        olga.account().update_user_profile(change(&cleared, &["bio"])).await.unwrap().into_inner();
    assert_eq!((once_more.bio, once_more.location), (None, after.location));
}

#[tokio::test]
async fn update_user_profile_without_mask_changes_populated_fields_and_rejects_a_stale_etag() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let before = read(&olga).await;
    let wanted = pb::UserProfile { bio: Some("new".to_owned()), ..before.clone() };

    let nothing = pb::UserProfile { etag: before.etag.clone(), ..Default::default() };
    assert_eq!(olga.account().update_user_profile(change(&nothing, &[])).await.unwrap().into_inner(), before);
    let after = olga.account().update_user_profile(change(&wanted, &[])).await.unwrap().into_inner();
    assert_eq!(after.bio, wanted.bio, "an empty mask changes what is populated");
    let stale = olga.account().update_user_profile(change(&wanted, &["bio"])).await;

    assert_eq!(refusal(stale), "ABORTED ETAG_MISMATCH");
}

#[tokio::test]
async fn profiles_of_others_are_not_found() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let before = read(&olga).await;

    assert_eq!(refusal(gus.account().get_user_profile(get(&olga)).await), "NOT_FOUND RESOURCE_NOT_FOUND");
    let answer = gus.account().update_user_profile(change(&before, &["bio"])).await;
    assert_eq!(refusal(answer), "NOT_FOUND RESOURCE_NOT_FOUND");
    let mut anonymous = suite.anonymous().account();
    let answer = anonymous.get_user_profile(get(&olga)).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED SESSION_REQUIRED");
    let answer = anonymous.update_user_profile(change(&before, &["bio"])).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED SESSION_REQUIRED");
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let large = Some(to_struct(&json!({"a": "x".repeat(65 * 1024)})));
    let wanted = pb::UserProfile {
        user_id: "x".to_owned(),
        bio: Some("x".repeat(10_001)),
        location: Some("\0".to_owned()),
        website_url: Some("ftp://example.org".to_owned()),
        social_links: large.clone(),
        preferences: large,
        ..Default::default()
    };

    let refused =
        olga.account().update_user_profile(change(&wanted, &[&ALL[..], &["user_id"]].concat())).await;

    let profile = ["user_id", "bio", "location", "website_url", "social_links", "preferences"];
    let profile = profile.map(|field| format!("profile.{field}"));
    assert_eq!(violations(&refused.unwrap_err()), [&["update_mask".to_owned()][..], &profile[..]].concat());
    let malformed = pb::GetUserProfileRequest { user_id: "x".to_owned() };
    assert_eq!(violations(&olga.account().get_user_profile(malformed).await.unwrap_err()), ["user_id"]);
}

#[tokio::test]
async fn single_preferences_and_links_change_alone() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let update = async |preferences: Option<StructPatch>, links: Option<StructPatch>| {
        let request = pb::UpdateUserProfileRequest {
            profile: Some(pb::UserProfile::default()),
            preferences_patch: preferences,
            social_links_patch: links,
            ..Default::default()
        };
        olga.account().update_user_profile(request).await.map(tonic::Response::into_inner)
    };
    let set =
        |value: serde_json::Value| Some(StructPatch { set: Some(to_struct(&value)), unset: Vec::new() });
    let all = set(json!({"theme": "dark", "editor": {"tabs": 4, "wrap": true}}));
    update(all, set(json!({"forge": "https://forge.example/olga"}))).await.unwrap();

    let theme = StructPath { keys: vec!["theme".to_owned()] };
    let preferences = StructPatch { unset: vec![theme], ..set(json!({"editor": {"tabs": 2}})).unwrap() };
    let changed = update(Some(preferences), set(json!({"chat": "https://chat.example/olga"}))).await.unwrap();

    let preferences = from_struct(changed.preferences.unwrap()).unwrap();
    assert_eq!(preferences, json!({"editor": {"tabs": 2, "wrap": true}}));
    let links = from_struct(changed.social_links.unwrap()).unwrap();
    assert_eq!(links, json!({"forge": "https://forge.example/olga", "chat": "https://chat.example/olga"}));

    let both = pb::UpdateUserProfileRequest {
        preferences_patch: set(json!({"a": 1})),
        ..change(&read(&olga).await, &["preferences"])
    };
    let refused = olga.account().update_user_profile(both).await.unwrap_err();
    assert_eq!(violations(&refused), ["preferences_patch"]);
    for path in ["preferences.theme", "preferences.", "bio.x"] {
        let request = change(&pb::UserProfile::default(), &[path]);
        let refused = olga.account().update_user_profile(request).await.unwrap_err();
        assert_eq!(violations(&refused), ["update_mask"], "{path}");
    }
    let half = "x".repeat(40 * 1024);
    update(set(json!({"one": half})), None).await.unwrap();
    let refused = update(set(json!({"two": half})), None).await.unwrap_err();
    assert_eq!(violations(&refused), ["preferences_patch"], "together they are too large");
}
