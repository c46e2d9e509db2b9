//! Accounts.

use crate::fixtures::*;
use crate::harness::harness;
use prost_types::FieldMask;
use proto::common::StructPatch;
use proto::identity::admin::v1 as admin;
use proto::identity::v1 as pb;
use serde_json::json;
use testkit::*;
use tonic_types::StatusExt as _;

async fn read(actor: &Actor) -> pb::User {
    let request = pb::GetUserRequest { user_id: actor.id.to_string() };
    actor.account().get_user(request).await.unwrap().into_inner()
}

fn change(user: &pb::User, paths: &[&str]) -> pb::UpdateUserRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateUserRequest {
        user: Some(user.clone()),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    }
}

#[tokio::test]
async fn get_user_returns_only_the_callers_account() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let get = |id: String| pb::GetUserRequest { user_id: id };

    assert_eq!(read(&olga).await.username, "olga");
    for id in [olga.id.to_string(), new_id()] {
        assert_eq!(refusal(gus.account().get_user(get(id)).await), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let anonymous = suite.anonymous().account().get_user(get(olga.id.to_string())).await;
    assert_eq!(refusal(anonymous), "UNAUTHENTICATED SESSION_REQUIRED");
    let malformed = gus.account().get_user(get("x".to_owned())).await.unwrap_err();
    assert_eq!(violations(&malformed), ["user_id"]);
}

#[tokio::test]
async fn lookup_user_returns_a_summary_by_username() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let find = |name: &str| pb::LookupUserRequest { username: name.to_owned() };

    let found = gus.users().lookup_user(find("olga")).await.unwrap().into_inner();

    let olga = pb::UserSummary { id: olga.id.to_string(), username: "olga".to_owned(), ..Default::default() };
    assert_eq!(found, olga);
    assert_eq!(refusal(gus.users().lookup_user(find("nobody")).await), "NOT_FOUND RESOURCE_NOT_FOUND");
    let anonymous = suite.anonymous().users().lookup_user(find("olga")).await;
    assert_eq!(refusal(anonymous), "UNAUTHENTICATED SESSION_REQUIRED");
    let malformed = gus.users().lookup_user(find("o@l")).await.unwrap_err();
    assert_eq!(violations(&malformed), ["username"]);
    execute(&suite, "UPDATE identity.users SET status = 'deleted' WHERE username = 'olga'").await;
    assert_eq!(refusal(gus.users().lookup_user(find("olga")).await), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn update_user_changes_only_the_named_fields() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let before = read(&olga).await;
    let mut wanted = before.clone();
    wanted.username = "olga.p".to_owned();
    wanted.first_name = Some("Olga".to_owned());
    wanted.last_name = Some("not named in the mask".to_owned());
    wanted.avatar_url = Some("https://example.org/olga.png".to_owned());
    wanted.metadata = Some(shared::json::to_struct(&json!({"theme": {"dark": true}})));

    let named = ["username", "first_name", "avatar_url", "metadata"];
    let after = olga.account().update_user(change(&wanted, &named)).await.unwrap().into_inner();

    assert_eq!(after, read(&olga).await);
    assert_ne!(after.etag, before.etag);
    assert_ne!(after.updated_at, before.updated_at);
    let (etag, updated_at, last_name) = (after.etag.clone(), after.updated_at, None);
    assert_eq!(after, pb::User { etag, updated_at, last_name, ..wanted });
    let cleared = pb::User { first_name: None, ..after };
    let after = olga.account().update_user(change(&cleared, &["first_name"])).await.unwrap().into_inner();
    assert_eq!(after.first_name, None);
}

#[tokio::test]
async fn update_user_without_fields_changes_nothing() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let before = read(&olga).await;
    let nothing = pb::User { etag: before.etag.clone(), ..Default::default() };
    assert_eq!(olga.account().update_user(change(&nothing, &[])).await.unwrap().into_inner(), before);
    assert_eq!(read(&olga).await, before);
    let own = olga.account().get_user(pb::GetUserRequest::default()).await.unwrap().into_inner();
    assert_eq!(own, before, "an empty id is the caller's");
}

#[tokio::test]
async fn update_user_without_mask_changes_populated_fields() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let user = pb::User { first_name: Some("Olga".to_owned()), ..Default::default() };
    let metadata_patch =
        Some(StructPatch { set: Some(shared::json::to_struct(&json!({"team": "a"}))), unset: Vec::new() });
    let request = pb::UpdateUserRequest { user: Some(user), metadata_patch, ..Default::default() };

    let after = olga.account().update_user(request).await.unwrap().into_inner();

    assert_eq!((after.username.as_str(), after.first_name.as_deref()), ("olga", Some("Olga")));
    assert_eq!(shared::json::from_struct(after.metadata.unwrap()), Some(json!({"team": "a"})));
    let user = pb::User { username: "olga.p".to_owned(), ..Default::default() };
    let after = olga.account().update_user(change(&user, &["*"])).await.unwrap().into_inner();
    assert_eq!((after.username.as_str(), after.first_name), ("olga.p", None));
    let refused = olga.account().update_user(change(&pb::User::default(), &["*"])).await.unwrap_err();
    assert_eq!(violations(&refused), ["user.username"]);
}

#[tokio::test]
async fn update_user_rejects_a_stale_etag_and_a_taken_name() {
    let suite = harness().start().await;
    let [olga, _gus] = suite.guests(["olga", "gus"]).await;
    let before = read(&olga).await;
    let first = pb::User { first_name: Some("Olga".to_owned()), ..before.clone() };
    olga.account().update_user(change(&first, &["first_name"])).await.unwrap();

    let stale = olga.account().update_user(change(&first, &["first_name"])).await;
    let taken = pb::User { username: "gus".to_owned(), etag: String::new(), ..before };
    let taken = olga.account().update_user(change(&taken, &["username"])).await.unwrap_err();

    assert_eq!(refusal(stale), "ABORTED ETAG_MISMATCH");
    assert_eq!(summary(&taken), "ALREADY_EXISTS ALREADY_EXISTS");
    assert_eq!(taken.message(), "username is already taken");
}

#[tokio::test]
async fn update_user_does_not_find_other_accounts() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let before = read(&olga).await;
    let wanted = pb::User { first_name: Some("Hacked".to_owned()), ..before.clone() };

    let stranger = gus.account().update_user(change(&wanted, &["first_name"])).await;
    let anonymous = suite.anonymous().account().update_user(change(&wanted, &["first_name"])).await;

    assert_eq!(refusal(stranger), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refusal(anonymous), "UNAUTHENTICATED SESSION_REQUIRED");
    assert_eq!(read(&olga).await, before);
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let large = json!({"a": "x".repeat(65 * 1024)});
    let wanted = pb::User {
        id: "x".to_owned(),
        username: "\0".to_owned(),
        first_name: Some("x".repeat(101)),
        last_name: Some("\n".to_owned()),
        avatar_url: Some("javascript:alert(1)".to_owned()),
        metadata: Some(shared::json::to_struct(&large)),
        ..Default::default()
    };
    let paths = ["username", "first_name", "last_name", "avatar_url", "metadata", "password_hash", "status"];

    let mut fields = violations(&olga.account().update_user(change(&wanted, &paths)).await.unwrap_err());

    fields.dedup();
    let user =
        ["id", "username", "first_name", "last_name", "avatar_url", "metadata"].map(|f| format!("user.{f}"));
    assert_eq!(fields, [&["update_mask".to_owned()][..], &user[..]].concat());
}

#[tokio::test]
async fn a_username_is_one_in_any_case() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["Olga", "gus"]).await;
    suite.anonymous().auth().login(login("OLGA", &olga.password)).await.unwrap();
    let find = pb::LookupUserRequest { username: "oLGA".to_owned() };
    assert_eq!(gus.users().lookup_user(find).await.unwrap().into_inner().username, "Olga");

    let register = pb::RegisterRequest {
        email: "another@example.org".to_owned(),
        username: "olga".to_owned(),
        password: "correct horse battery".to_owned(),
        ..Default::default()
    };
    let taken = suite.anonymous().auth().register(register).await.unwrap_err();
    let renamed = pb::User { username: "OLGA".to_owned(), ..Default::default() };
    let renamed = gus.account().update_user(change(&renamed, &["username"])).await.unwrap_err();

    for refused in [taken, renamed] {
        assert_eq!(summary(&refused), "ALREADY_EXISTS ALREADY_EXISTS");
        assert_eq!(refused.get_details_error_info().unwrap().metadata["field"], "username");
    }
    let respelled = pb::User { username: "oLga".to_owned(), ..Default::default() };
    let own = olga.account().update_user(change(&respelled, &["username"])).await.unwrap();
    assert_eq!(own.into_inner().username, "oLga");
}

#[tokio::test]
async fn nobody_takes_the_name_that_another_account_gets_when_it_is_erased() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let placeholder = format!("Erased-{}", olga.id.simple());
    let register = pb::RegisterRequest {
        email: format!("erased-{}@erased.invalid", olga.id),
        username: placeholder.clone(),
        password: "correct horse battery".to_owned(),
        ..Default::default()
    };
    let refused = suite.anonymous().auth().register(register).await.unwrap_err();
    assert_eq!(violations(&refused), ["email", "username"]);
    let renamed = pb::User { username: placeholder, ..Default::default() };
    let refused = gus.account().update_user(change(&renamed, &["username"])).await.unwrap_err();
    assert_eq!(violations(&refused), ["user.username"]);

    let erase = admin::EraseUserRequest { user_id: olga.id.to_string() };
    operator(&suite).erase_user(erase).await.unwrap();
}
