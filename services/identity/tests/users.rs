//! Accounts.

use crate::fixtures::*;
use crate::harness::harness;
use prost_types::FieldMask;
use proto::identity::v1 as pb;
use serde_json::json;
use testkit::*;

async fn read(actor: &Actor) -> pb::User {
    let request = pb::GetUserRequest { user_id: actor.id.to_string() };
    actor.account().get_user(request).await.unwrap().into_inner()
}

fn change(user: &pb::User, paths: &[&str]) -> pb::UpdateUserRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateUserRequest { user: Some(user.clone()), update_mask: Some(FieldMask { paths }) }
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
    let mut wish = before.clone();
    wish.username = "olga.p".to_owned();
    wish.first_name = Some("Olga".to_owned());
    wish.last_name = Some("not named in the mask".to_owned());
    wish.avatar_url = Some("https://example.org/olga.png".to_owned());
    wish.metadata = Some(shared::json::to_struct(&json!({"theme": {"dark": true}})));

    let named = ["username", "first_name", "avatar_url", "metadata"];
    let after = olga.account().update_user(change(&wish, &named)).await.unwrap().into_inner();

    assert_eq!(after, read(&olga).await);
    assert_ne!(after.etag, before.etag);
    assert_ne!(after.updated_at, before.updated_at);
    let (etag, updated_at, last_name) = (after.etag.clone(), after.updated_at, None);
    assert_eq!(after, pb::User { etag, updated_at, last_name, ..wish });
    let cleared = pb::User { first_name: None, ..after };
    let after = olga.account().update_user(change(&cleared, &["first_name"])).await.unwrap().into_inner();
    assert_eq!(after.first_name, None);
}

#[tokio::test]
async fn update_user_without_fields_changes_nothing() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let before = read(&olga).await;
    let wish = pb::User { username: "other".to_owned(), ..before.clone() };
    assert_eq!(olga.account().update_user(change(&wish, &[])).await.unwrap().into_inner(), before);
    let without_mask = pb::UpdateUserRequest { user: Some(wish), update_mask: None };
    assert_eq!(olga.account().update_user(without_mask).await.unwrap().into_inner(), before);
    assert_eq!(read(&olga).await, before);
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
    let wish = pb::User { first_name: Some("Hacked".to_owned()), ..before.clone() };

    let stranger = gus.account().update_user(change(&wish, &["first_name"])).await;
    let anonymous = suite.anonymous().account().update_user(change(&wish, &["first_name"])).await;

    assert_eq!(refusal(stranger), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refusal(anonymous), "UNAUTHENTICATED SESSION_REQUIRED");
    assert_eq!(read(&olga).await, before);
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let large = json!({"a": "x".repeat(65 * 1024)});
    let wish = pb::User {
        id: "x".to_owned(),
        username: "\0".to_owned(),
        first_name: Some("x".repeat(101)),
        last_name: Some("\n".to_owned()),
        avatar_url: Some("javascript:alert(1)".to_owned()),
        metadata: Some(shared::json::to_struct(&large)),
        ..Default::default()
    };
    let paths = ["username", "first_name", "last_name", "avatar_url", "metadata", "password_hash", "status"];

    let mut fields = violations(&olga.account().update_user(change(&wish, &paths)).await.unwrap_err());

    fields.dedup();
    let user =
        ["id", "username", "first_name", "last_name", "avatar_url", "metadata"].map(|f| format!("user.{f}"));
    assert_eq!(fields, [&["update_mask".to_owned()][..], &user[..]].concat());
}
