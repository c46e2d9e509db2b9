//! Encryption of names and locations, and the rotation of keys.

mod rotation;

use crate::fixtures::*;
use crate::harness::harness;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use identity::IdentityOptions;
use identity::encryption::KeyRingOptions;
use prost_types::FieldMask;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::security_admin_service_client::SecurityAdminServiceClient;
use proto::identity::v1 as pb;
use shared::siblings::Sibling;
use testkit::*;

/// 32 bytes under the name `new`.
const NEW_KEY: &str = "new:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn count(suite: &Suite, condition: &str) -> i64 {
    let query = format!("SELECT count(*) FROM identity.users WHERE {condition}");
    sql_query(query).get_result::<Count>(&mut suite.admin().await).await.unwrap().count
}

async fn import(suite: &Suite, users: Vec<admin::ImportedUser>) {
    let requests = futures::stream::iter([admin::ImportUsersRequest { users }]);
    let mut responses = operator(suite).import_users(requests).await.unwrap().into_inner();
    while responses.message().await.unwrap().is_some() {}
}

/// Users with encrypted names.
async fn import_users(suite: &Suite, count: u32) {
    let user = |number: u32| admin::ImportedUser {
        id: new_id(),
        email: format!("user{number}@example.org"),
        username: format!("user{number}"),
        last_name: Some(format!("Family {number}")),
        ..Default::default()
    };
    for first in (0..count).step_by(1_000) {
        import(suite, (first..count.min(first + 1_000)).map(user).collect()).await;
    }
}

async fn rename(actor: &Actor, first_name: &str) -> pb::User {
    let user =
        pb::User { id: actor.id.to_string(), first_name: Some(first_name.to_owned()), ..Default::default() };
    let update_mask = Some(FieldMask { paths: vec!["first_name".to_owned()] });
    let request = pb::UpdateUserRequest { user: Some(user), update_mask };
    actor.account().update_user(request).await.unwrap().into_inner()
}

async fn move_to(actor: &Actor, location: &str) {
    let profile = pb::UserProfile {
        user_id: actor.id.to_string(),
        location: Some(location.to_owned()),
        ..Default::default()
    };
    let update_mask = Some(FieldMask { paths: vec!["location".to_owned()] });
    let request = pb::UpdateUserProfileRequest { profile: Some(profile), update_mask };
    actor.account().update_user_profile(request).await.unwrap();
}

async fn account(actor: &Actor) -> pb::User {
    let request = pb::GetUserRequest { user_id: actor.id.to_string() };
    actor.account().get_user(request).await.unwrap().into_inner()
}

async fn location(actor: &Actor) -> Option<String> {
    let request = pb::GetUserProfileRequest { user_id: actor.id.to_string() };
    actor.account().get_user_profile(request).await.unwrap().into_inner().location
}

/// The same suite after a restart with other keys.
async fn with_keys(suite: &mut Suite, keys: &str) -> RunningSuite {
    suite.stop().await;
    let mut options = suite.options.clone();
    options.own_mut::<IdentityOptions>().keys =
        KeyRingOptions { encryption_keys: Some(keys.into()), encryption_keys_file: None };
    let running = suite.start_replica(&options).await;
    suite.siblings = running.siblings().clone();
    running
}

/// The same user, calling the restarted suite.
fn again(suite: &Suite, actor: &Actor) -> Actor {
    let mut anew = suite.anonymous();
    (anew.id, anew.session_token) = (actor.id, actor.session_token.clone());
    anew
}

#[tokio::test]
async fn the_database_has_no_name_or_location_in_plaintext() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let request = pb::RegisterRequest {
        request_id: new_id(),
        email: "eva@example.org".to_owned(),
        username: "eva".to_owned(),
        password: "correct horse battery".to_owned(),
        first_name: Some("Éva".to_owned()),
        last_name: Some("Żółkiewska".to_owned()),
    };
    let eva = suite.anonymous().auth().register(request).await.unwrap().into_inner().user.unwrap();
    rename(&olga, "Ольга").await;
    move_to(&olga, "Gdańsk Główny").await;
    let imported = admin::ImportedUser {
        id: new_id(),
        email: "gus@example.org".to_owned(),
        username: "gus".to_owned(),
        last_name: Some("Hämäläinen".to_owned()),
        ..Default::default()
    };
    import(&suite, vec![imported]).await;

    assert_eq!((eva.first_name.as_deref(), eva.last_name.as_deref()), (Some("Éva"), Some("Żółkiewska")));
    assert_eq!(account(&olga).await.first_name.as_deref(), Some("Ольга"));
    assert_eq!(location(&olga).await.as_deref(), Some("Gdańsk Główny"));
    let lookup = pb::LookupUserRequest { username: "gus".to_owned() };
    let gus = olga.users().lookup_user(lookup).await.unwrap().into_inner();
    assert_eq!(gus.last_name.as_deref(), Some("Hämäläinen"));
    let values = lines(
        &suite,
        "SELECT t::text AS line FROM identity.users t UNION ALL SELECT t::text FROM identity.user_profiles t \
         UNION ALL SELECT t::text FROM identity.change_log t UNION ALL SELECT t::text FROM identity.idempotency_keys t",
    )
    .await;
    assert!(values.len() >= 8);
    for line in values {
        let names = ["Ольга", "Gdańsk", "Hämäläinen", "Éva", "Żółkiewska"];
        assert!(!names.iter().any(|text| line.contains(text)), "{line}");
    }
    let logged = lines(&suite, "SELECT t::text AS line FROM identity.change_log t").await;
    assert!(logged.iter().all(|row| !row.contains("encrypted:") && !row.contains("first_name")));
}

#[tokio::test]
async fn a_name_may_look_like_a_ciphertext() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    for name in ["a.b", "encrypted:test.AAAA", "encrypted:", &"\u{1f600}".repeat(100)] {
        assert_eq!(rename(&olga, name).await.first_name.as_deref(), Some(name));
        assert_eq!(account(&olga).await.first_name.as_deref(), Some(name));
    }
    move_to(&olga, &"\u{1f600}".repeat(255)).await;
    assert_eq!(location(&olga).await.unwrap().chars().count(), 255);
}

#[tokio::test]
async fn after_a_rotation_the_former_key_is_not_needed() {
    let mut suite = harness().start().await;
    let olga = suite.guest("olga").await;
    rename(&olga, "Ольга").await;
    move_to(&olga, "Gdańsk").await;
    // More than two batches.
    import_users(&suite, 1_100).await;

    let both = with_keys(&mut suite, &format!("{NEW_KEY},{ENCRYPTION_KEYS}")).await;
    let read = account(&again(&suite, &olga)).await;
    let progress = rotate_keys(&suite).await;

    let (first, last) = (&progress[0], progress.last().unwrap());
    assert_eq!((first.key_id.as_str(), first.sealed_count), ("new", 0));
    assert!(progress.len() >= 3 && progress.is_sorted_by_key(|batch| batch.sealed_count), "{progress:?}");
    // The profile's location beside the names.
    assert_eq!((first.total_count, last.sealed_count), (1_102, 1_102));
    assert_eq!(count(&suite, "coalesce(first_name, last_name) NOT LIKE 'encrypted:new.%'").await, 0);
    let progress = rotate_keys(&suite).await;
    assert_eq!((progress.len(), progress[0].total_count), (1, 0), "a second run finds nothing to do");
    both.stop().await;

    let new_alone = with_keys(&mut suite, NEW_KEY).await;
    let olga = again(&suite, &olga);
    let rotated = account(&olga).await;
    assert_eq!(pb::User { etag: rotated.etag.clone(), ..read }, rotated, "dates and all else stay");
    assert_eq!(location(&olga).await.as_deref(), Some("Gdańsk"));
    new_alone.stop().await;
}

#[tokio::test]
async fn a_rotation_loses_no_concurrent_write() {
    let mut suite = harness().start().await;
    let users = suite.guests(["olga", "gus", "eva", "ida"]).await;
    for actor in &users {
        rename(actor, "before").await;
    }
    let running = with_keys(&mut suite, &format!("{NEW_KEY},{ENCRYPTION_KEYS}")).await;
    let users = users.each_ref().map(|actor| again(&suite, actor));

    let writers = users.iter().map(async |actor| {
        for round in 0..20 {
            rename(actor, &format!("round {round}")).await;
        }
    });
    let rotations = async {
        for _ in 0..5 {
            rotate_keys(&suite).await;
        }
    };
    tokio::join!(futures::future::join_all(writers), rotations);

    for actor in &users {
        assert_eq!(account(actor).await.first_name.as_deref(), Some("round 19"));
    }
    running.stop().await;
}

#[tokio::test]
async fn only_operators_rotate_keys() {
    let suite = harness().start().await;
    for (name, refused) in
        [("task", true), ("operatorx", true), ("operator", false), ("operator-olga", false)]
    {
        let mut keys = SecurityAdminServiceClient::new(suite.as_service(name).channel(Sibling::Identity));
        let answer = keys.rotate_keys(admin::RotateKeysRequest {}).await;
        assert_eq!(answer.is_err(), refused, "{name}");
        if let Err(status) = answer {
            assert_eq!(summary(&status), "PERMISSION_DENIED AUDIENCE_REFUSED");
        }
    }
}

#[tokio::test]
async fn a_text_that_cannot_be_decrypted_is_an_internal_error() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    rename(&gus, "Gus").await;
    let copy = "UPDATE identity.users SET first_name = (SELECT first_name FROM identity.users WHERE username = 'gus') \
         WHERE username = 'olga'";
    execute(&suite, copy).await;
    let request = pb::GetUserRequest { user_id: olga.id.to_string() };
    let refused = olga.account().get_user(request).await.unwrap_err();
    assert_eq!(summary(&refused), "INTERNAL INTERNAL");
}
