//! Round trips to PostgreSQL, told by time over a link on which each takes 200 ms.

use std::time::{Duration, Instant};

use prost_types::FieldMask;
use shared::proto::identity::v1 as pb;
use suite::testing::*;

const ROUND_TRIP: Duration = Duration::from_millis(200);

/// How many round trips a call waits for: the quickest of several, when connections stand and statements are
/// prepared on them.
async fn round_trips(call: impl AsyncFn()) -> u128 {
    let mut quickest = Duration::MAX;
    for _ in 0..8 {
        let start = Instant::now();
        call().await;
        quickest = quickest.min(start.elapsed());
    }
    quickest.as_millis() / ROUND_TRIP.as_millis()
}

async fn far_from_the_database() -> (Suite, Actor) {
    let suite = Suite::start_with_slow_database(ROUND_TRIP).await;
    let olga = suite.guest("olga").await;
    (suite, olga)
}

#[tokio::test]
async fn reading_is_one_round_trip() {
    let (_suite, olga) = far_from_the_database().await;
    let user_id = || olga.id.to_string();
    let get_user = round_trips(async || {
        olga.users().get_user(pb::GetUserRequest { user_id: user_id() }).await.unwrap();
    });
    let get_profile = round_trips(async || {
        let request = pb::GetUserProfileRequest { user_id: user_id() };
        olga.users().get_user_profile(request).await.unwrap();
    });
    let who_am_i = round_trips(async || {
        olga.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap();
    });
    let list = round_trips(async || {
        crate::list_sessions(&olga).await;
    });
    assert_eq!([get_user.await, get_profile.await, who_am_i.await, list.await], [1; 4]);
}

#[tokio::test]
async fn changing_is_two_round_trips() {
    let (_suite, olga) = far_from_the_database().await;
    let user = round_trips(async || {
        let user = pb::User { id: olga.id.to_string(), first_name: Some(new_id()), ..Default::default() };
        let update_mask = Some(FieldMask { paths: vec!["first_name".to_owned()] });
        olga.users().update_user(pb::UpdateUserRequest { user: Some(user), update_mask }).await.unwrap();
    });
    let profile = round_trips(async || {
        let user_id = olga.id.to_string();
        let profile = Some(pb::UserProfile { user_id, bio: Some(new_id()), ..Default::default() });
        let update_mask = Some(FieldMask { paths: vec!["bio".to_owned()] });
        let request = pb::UpdateUserProfileRequest { profile, update_mask };
        olga.users().update_user_profile(request).await.unwrap();
    });
    let register = round_trips(async || {
        let name = format!("u{}", uuid::Uuid::now_v7().simple());
        let request = pb::RegisterRequest {
            request_id: new_id(),
            email: format!("{name}@example.org"),
            username: name,
            password: "correct horse".to_owned(),
            ..Default::default()
        };
        olga.auth().register(request).await.unwrap();
    });
    let (user, profile, register) = (user.await, profile.await, register.await);
    assert!([user, profile, register].iter().all(|trips| *trips <= 2), "{user}, {profile}, {register}");
}
